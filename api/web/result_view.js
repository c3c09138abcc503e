/** The result of a job: what to hear, to read, to correct and to download. */

import { getJson } from "./api.js";
import { downloadsPanel } from "./downloads.js";
import { h, replace, svgIcon } from "./dom.js";
import { editor } from "./editor.js";
import { picturesPanel } from "./pictures.js";
import { playerBar, playerKeys } from "./player_bar.js";
import { Player } from "./player.js";
import { settled } from "./saving.js";
import { t } from "./text.js";
import { timeline } from "./timeline.js";
import { peaksOf } from "./timeline_drawing.js";
import { spansOf, warningsList } from "./warnings.js";

/**
 * Show a result once it is read.
 * @param {HTMLElement} container
 * @param {any} job that has succeeded
 * @param {{announce: (message: string, options?: any) => void}} tools
 * @returns {() => void} what ends it
 */
export function renderResult(container, job, { announce }) {
  const abort = new AbortController();
  const player = new Player(`${job.links.self}/recording`, job.audio?.seconds ?? 0);
  const disposers = [() => player.dispose(), playerKeys(player)];
  let disposeText = () => {};
  load();

  async function load() {
    replace(container, h("p", { class: "card muted", role: "status" }, t("loading")));
    try {
      const [peaks, texts] = await Promise.all([readPeaks(), readTexts()]);
      if (!abort.signal.aborted) draw(peaks, texts);
    } catch (error) {
      if (abort.signal.aborted) return;
      replace(container, h("div", { class: "notice danger", role: "alert" }, svgIcon("error"), h("span", { class: "grow" }, error.message),
        h("button", { type: "button", on: { click: load } }, t("retry"))));
    }
  }

  async function readPeaks() {
    if (!job.links.waveform_json) return null;
    return peaksOf(await getJson(job.links.waveform_json, { signal: abort.signal }));
  }

  async function readTexts() {
    if (!job.links.transcript) return null;
    await settled(job.links.transcript);
    const latest = await getJson(`${job.links.transcript}?format=json`, { signal: abort.signal });
    if (!latest.revision) return { latest, machine: latest };
    return { latest, machine: await getJson(`${job.links.transcript}?format=json&revision=machine`, { signal: abort.signal }) };
  }

  function draw(peaks, texts) {
    disposeText();
    const reload = async () => {
      text?.saving.reset(null);
      await load();
    };
    const text = texts && !texts.machine.no_speech
      ? editor(job, texts.latest, texts.machine, player, { announce, onReload: reload, onChange: () => { downloads.draw(); line.draw(); } }) : null;
    const seconds = Math.max(player.seconds, 0.01);
    const warnings = job.warnings ?? [];
    const line = timeline(player, { peaks, seconds, spans: spansOf(warnings), segments: texts?.latest.segments ?? [],
      words: (from, to) => text?.transcript.between(from, to) ?? [],
      textAt: (at) => (text?.transcript.spokenAt(at) ?? []).map((position) => text.transcript.wordAt(position).text).join(" ") });
    const bar = playerBar(player, extensionOf(job.file.name));
    const pictures = picturesPanel(job, { announce });
    const downloads = downloadsPanel(job, player, texts ? (text ?? { isRevised: false, flush: async () => {} }) : null, { announce });
    text?.saving.addEventListener("state", () => downloads.draw());
    bar.element.append(line.zooms);
    replace(container,
      h("section", { class: "card deck", "aria-label": t("player.label") }, line.element, bar.element),
      bar.trouble, warningsList(warnings, player), text?.element ?? noText(texts),
      h("div", { class: "side-by-side" }, downloads.element, pictures.element));
    disposeText = () => {
      text?.dispose();
      line.dispose();
      pictures.dispose();
    };
  }

  function noText(texts) {
    return h("section", { class: "card empty" }, svgIcon("mic"), h("h2", {}, t(texts ? "job.no_speech" : "job.no_transcript")),
      h("p", { class: "muted" }, t(texts ? "job.no_speech.explain" : "job.no_transcript.explain")));
  }

  return () => {
    abort.abort();
    disposeText();
    for (const dispose of disposers) dispose();
  };
}

function extensionOf(name) {
  return /\.([^.]{1,5})$/.exec(name)?.[1].toUpperCase() ?? t("player.unknown_format");
}
