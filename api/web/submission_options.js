/** The options of the next recordings, which are kept while the page is open. */

import { getJson } from "./api.js";
import { h, replace } from "./dom.js";
import { warningOf } from "./error_rates.js";
import { t } from "./text.js";

// Fields of the form by name, as the service takes them. An empty one is the service's default.
const chosen = { model: "", decoder: "", channels: "mix", hotwords: "", priority: "normal", spectrogram: "true", strict: "false" };

/** @returns {{element: HTMLElement, values: () => Object<string, string>}} */
export function submissionOptions() {
  const model = select("model", [["", t("options.model.default")]]);
  const warning = h("p", { class: "notice warning small wide", hidden: true });
  const element = h(
    "details",
    {},
    h("summary", {}, t("options.title")),
    h(
      "div",
      { class: "options" },
      field("options.model", model),
      field("options.channels", select("channels", [["mix", t("options.channels.mix")], ["each", t("options.channels.each")]])),
      field("options.decoder", select("decoder", ["", "beam", "greedy"].map((name) => [name, t(`options.decoder.${name || "default"}`)]))),
      field("options.priority", select("priority", ["high", "normal", "low"].map((name) => [name, t(`options.priority.${name}`)]))),
      warning,
      h("label", { class: "field wide" }, h("span", {}, t("options.hotwords")),
        h("textarea", { lang: "hi", rows: 2, placeholder: t("options.hotwords.example"), value: chosen.hotwords,
          on: { input: ({ target }) => { chosen.hotwords = target.value; } } }),
        h("span", { class: "muted small" }, t("options.hotwords.hint"))),
      check("spectrogram", t("options.spectrogram")),
      check("strict", t("options.strict")),
    ),
  );
  getJson("v1/models").then(({ models, default: standard }) => {
    const names = models.map(({ name }) => [name, name === standard ? t("options.model.is_default", { name }) : name]);
    replace(model, [["", t("options.model.default")], ...names].map(([value, label]) => h("option", { value }, label)));
    model.value = models.some(({ name }) => name === chosen.model) ? chosen.model : "";
    const warn = () => {
      const text = warningOf(models.find(({ name }) => name === (model.value || standard)));
      warning.hidden = !text;
      warning.textContent = text;
    };
    model.addEventListener("change", warn);
    warn();
  }).catch(() => {}); // the default model needs no list
  return {
    element,
    values: () => Object.fromEntries(Object.entries(chosen).filter(([name, value]) => value.trim() && !isDefault(name, value))),
  };
}

function isDefault(name, value) {
  return { channels: "mix", priority: "normal", spectrogram: "false", strict: "false" }[name] === value;
}

function field(key, control) {
  return h("label", { class: "field" }, h("span", {}, t(key)), control);
}

function select(name, choices) {
  const options = choices.map(([value, label]) => h("option", { value, selected: chosen[name] === value }, label));
  return h("select", { on: { change: ({ target }) => { chosen[name] = target.value; } } }, options);
}

function check(name, label) {
  const box = h("input", { type: "checkbox", checked: chosen[name] === "true",
    on: { change: ({ target }) => { chosen[name] = String(target.checked); } } });
  return h("label", { class: "check" }, box, h("span", {}, label));
}
