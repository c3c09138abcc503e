/** The installed models and their measured error rates. */

import { getJson } from "./api.js";
import { h, replace, svgIcon } from "./dom.js";
import { warningOf } from "./error_rates.js";
import { duration, percent, t } from "./text.js";

/** @returns {() => void} what ends the view */
export function renderModels(container) {
  const abort = new AbortController();
  const list = h("div", { class: "models", "aria-busy": "true" }, h("p", { class: "muted" }, t("loading")));
  replace(container, h("h1", {}, t("models.title")), h("p", { class: "muted" }, t("models.intro")), list);
  load();
  return () => abort.abort();

  async function load() {
    try {
      const { models, default: standard } = await getJson("v1/models", { signal: abort.signal });
      replace(list, models.length ? models.map((model) => card(model, model.name === standard)) : h("p", {}, t("models.none")));
    } catch (error) {
      if (abort.signal.aborted) return;
      replace(list, h("div", { class: "notice danger", role: "alert" }, svgIcon("error"), h("span", {}, error.message),
        h("button", { type: "button", on: { click: load } }, t("retry"))));
    }
    list.removeAttribute("aria-busy");
  }
}

function card(model, isDefault) {
  const warning = warningOf(model);
  return h(
    "article",
    { class: "card stack", "aria-label": model.name },
    h("div", { class: "row" }, h("h2", {}, model.name), isDefault ? h("span", { class: "chip succeeded" }, t("models.default")) : null),
    h("p", {}, model.description),
    h("p", { class: "muted small" }, t("models.facts", { language: model.language, licence: model.licence,
      rate: `${model.sample_rate / 1000} kHz`, decoders: model.decoders.join(", ") })),
    warning ? h("p", { class: "notice warning" }, svgIcon("warning"), h("span", {}, warning)) : null,
    model.evaluation.length ? table(model) : null,
  );
}

function table({ evaluation, name, default_decoder: standard }) {
  const heads = ["set", "decoder", "wer", "cer", "amount"].map((key) => h("th", { scope: "col" }, t(`models.${key}`)));
  const ordered = [...evaluation].sort((one, other) => (other.decoder === standard) - (one.decoder === standard));
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": t("models.rates", { name }) },
    h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, ordered.map(row))));
}

function row({ set, decoder, wer, cer, wer_interval: interval, clips, speakers, seconds }) {
  const between = interval ? ` (${percent(interval[0])}–${percent(interval[1])})` : "";
  const amount = [
    clips ? t("models.clips", { n: clips }) : null,
    speakers ? t("models.speakers", { n: speakers }) : null,
    seconds ? duration(seconds) : null,
  ];
  return h("tr", {},
    h("td", {}, set ?? ""),
    h("td", {}, decoder ?? ""),
    h("td", { class: "figure" }, typeof wer === "number" ? [percent(wer, 1) + between, bar(wer)] : "–"),
    h("td", { class: "figure" }, typeof cer === "number" ? percent(cer, 1) : "–"),
    h("td", { class: "muted small" }, amount.filter(Boolean).join(" · ")));
}

function bar(share) {
  return h("span", { class: "error-bar", "aria-hidden": "true" }, h("i", { style: { width: `${Math.min(100, share * 100)}%` } }));
}
