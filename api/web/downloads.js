/** Downloading the text in any format, and the recording. */

import { request } from "./api.js";
import { h, iconButton } from "./dom.js";
import { save, stemOf } from "./job_actions.js";
import { t } from "./text.js";

const FORMATS = ["txt", "srt", "vtt", "tsv", "json"];
const NUMERALS = ["spoken", "latin", "devanagari"];

/**
 * @param {any} job
 * @param {import("./player.js").Player} player
 * @param {{isRevised: boolean, flush: () => Promise<void>}|null} editor null without a text
 * @param {{announce: (message: string) => void}} tools
 */
export function downloadsPanel(job, player, editor, { announce }) {
  const stem = stemOf(job);
  const version = choice("version", ["latest", "machine"]);
  const numerals = choice("numerals", NUMERALS);
  const recording = iconButton("download", t("download.recording"), { on: { click: downloadRecording } });
  const texts = editor ? [
    h("div", { class: "choices" }, version.label, numerals.label),
    h("div", { class: "row formats", role: "group", "aria-label": t("download.formats") }, FORMATS.map(button)),
  ] : null;
  const element = h("section", { class: "card stack downloads", "aria-labelledby": "downloads-title" },
    h("h2", { id: "downloads-title" }, t("download.title")), texts, h("div", { class: "row" }, recording));

  function choice(name, values) {
    const select = h("select", {}, values.map((value) => h("option", { value }, t(`download.${name}.${value}`))));
    return { select, label: h("label", { class: "field" }, h("span", {}, t(`download.${name}`)), select) };
  }

  function button(format) {
    const label = t("download.format", { format: format.toUpperCase(), what: t(`download.what.${format}`) });
    const on = { click: (event) => downloadText(format, event.currentTarget) };
    return h("button", { type: "button", "aria-label": label, title: label, on }, format.toUpperCase());
  }

  async function downloadText(format, pressed) {
    pressed.disabled = true;
    try {
      const isMachine = version.select.value === "machine";
      if (!isMachine) await editor.flush();
      const query = new URLSearchParams({ format, numerals: numerals.select.value, revision: version.select.value });
      const response = await request(`${job.links.transcript}?${query}`);
      const suffix = isMachine ? `.${t("download.machine_suffix")}` : "";
      save(await response.blob(), `${stem}${suffix}.${format}`);
    } catch (error) {
      announce(error.message);
    }
    pressed.disabled = false;
    pressed.focus();
  }

  async function downloadRecording() {
    try {
      const link = h("a", { href: await player.downloadUrl(), download: job.file.name });
      link.click();
    } catch (error) {
      announce(error.message);
    }
  }

  function draw() {
    version.label.hidden = !editor?.isRevised;
    if (version.label.hidden) version.select.value = "latest";
  }

  draw();
  return { element, draw };
}
