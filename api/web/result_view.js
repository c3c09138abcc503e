/** The result of a job: what to hear, to read, to correct and to download. */

import { getJson } from "./api.js";
import { downloadsPanel } from "./downloads.js";
import { h, replace, svgIcon } from "./dom.js";
import { editor } from "./editor.js";
import { notice } from "./notice.js";
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
      replace(container, notice("danger", error.message, { role: "alert", retry: load }));
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
    const machine = await getJson(`${job.links.transcript}?format=json&revision=machine`, { signal: abort.signal });
    return { latest, machine };
  }

  function draw(peaks, texts) {
    disposeText();
    const reload = async () => {
      text?.saving.reset(null);
      await load();
    };
    const onChange = () => {
      downloads.draw();
      line.draw();
    };
    const hasText = texts && !texts.machine.no_speech;
    const events = { announce, onReload: reload, onChange };
    const text = hasText ? editor(job, texts.latest, texts.machine, player, events) : null;
    const seconds = Math.max(player.seconds, 0.01);
    const warnings = job.warnings ?? [];
    const line = timeline(player, {
      peaks,
      seconds,
      spans: spansOf(warnings),
      segments: texts?.latest.segments ?? [],
      words: (from, to) => text?.transcript.between(from, to) ?? [],
      textAt: (at) => text?.transcript.textAt(at) ?? "",
    });
    const bar = playerBar(player, extensionOf(job.file.name));
    const pictures = picturesPanel(job, { announce });
    const unedited = texts ? { isRevised: false, flush: async () => {} } : null;
    const downloads = downloadsPanel(job, player, text ?? unedited, { announce });
    text?.saving.addEventListener("state", () => downloads.draw());
    bar.element.append(line.zooms);
    const deck = h("section", { class: "card deck", "aria-label": t("player.label") }, line.element, bar.element);
    replace(container,
      h("div", { class: "stack reading" }, deck, bar.trouble, warningsList(warnings, player), text?.element ?? noText(texts)),
      h("div", { class: "side-by-side" }, downloads.element, pictures.element));
    disposeText = () => {
      text?.dispose();
      line.dispose();
      pictures.dispose();
    };
  }

  function noText(texts) {
    const [title, text] = texts
      ? [t("job.no_speech"), t("job.no_speech.explain")]
      : [t("job.no_transcript"), t("job.no_transcript.explain")];
    return h("section", { class: "card empty" }, svgIcon("mic"), h("h2", {}, title), h("p", { class: "muted" }, text));
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
