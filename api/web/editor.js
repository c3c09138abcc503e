/** Correcting the text: typing words, undo and redo, saving, and the way back to the machine's text. */

import { getJson, request } from "./api.js";
import { confirmed } from "./confirm.js";
import { h, iconButton, setText } from "./dom.js";
import { findBar } from "./find.js";
import { MachineText } from "./machine_text.js";
import { saveState } from "./save_state.js";
import { Saving } from "./saving.js";
import { t } from "./text.js";
import { TranscriptDocument } from "./transcript_document.js";
import { openWordEditor } from "./word_editor.js";
import { isUnsure, wordsView } from "./words.js";

/**
 * @param {{links: any}} job
 * @param {any} transcript the newest text
 * @param {any} machineTranscript the machine's text
 * @param {import("./player.js").Player} player
 * @param {{announce: (message: string, options?: any) => void, onChange: () => void, onReload: () => void}} events
 *   `onReload` is called when the text must be read again from the service
 */
export function editor(job, transcript, machineTranscript, player, { announce, onChange, onReload }) {
  const url = job.links.transcript;
  const document_ = new TranscriptDocument(transcript.segments);
  const machineText = new MachineText(machineTranscript.segments);
  const saving = new Saving(url, transcript.revision ?? null, () => document_.saved());
  const words = wordsView(document_, machineText, { onHear: hear, onEdit: edit, onKey: shortcut });
  const find = findBar(document_, words);
  const state = saveState(saving, { announce, onTheirs: onReload, onMine: keepMine });

  const mode = iconButton("pencil", t("edit.mode"), { "aria-pressed": "false", title: t("edit.mode.hint"), on: { click: toggleMode } });
  const undo = iconButton("undo", t("edit.undo"), { visible: false, class: "quiet square", "aria-keyshortcuts": "Control+Z", on: { click: () => travel("undo") } });
  const redo = iconButton("redo", t("edit.redo"), { visible: false, class: "quiet square", "aria-keyshortcuts": "Control+Y", on: { click: () => travel("redo") } });
  const revert = iconButton("retry", t("edit.revert"), { class: "quiet", on: { click: revertAll } });
  const follow = h("input", { type: "checkbox", checked: true, on: { change: () => { words.follows = follow.checked; } } });
  const unsure = h("span", { dataset: { testid: "unsure" } });
  const step = (icon, label, by) => iconButton(icon, t(label), { visible: false, class: "quiet square", on: { click: () => goUnsure(by) } });
  const steps = [step("up", "words.unsure.previous", -1), step("down", "words.unsure.next", 1)];

  const element = h("section", { class: "card stack text-card", "aria-labelledby": "text-title" },
    h("div", { class: "row" }, h("h2", { id: "text-title", class: "grow" }, t("words.title"), " "), state.word,
      h("div", { class: "row tight", role: "group", "aria-label": t("edit.label") }, undo, redo, mode)),
    h("div", { class: "row between" }, find.element,
      h("label", { class: "check small" }, follow, h("span", {}, t("words.follow")))),
    state.notice,
    h("div", { class: "row between legend-row" }, legend(), h("span", { class: "row tight small" }, unsure, steps)),
    words.element,
    h("div", { class: "row between" }, help(), revert));
  let isEditing = false;
  draw();

  function legend() {
    const entry = (kind, label) => h("li", {}, h("span", { class: `word ${kind}`, lang: "hi", "aria-hidden": "true" }, "शब्द"), " ", t(label));
    return h("ul", { class: "legend small", "aria-label": t("words.legend") },
      entry("low", "words.legend.low"), entry("mid", "words.legend.mid"), entry("typed", "words.legend.typed"));
  }

  function help() {
    return h("details", { class: "small" }, h("summary", {}, t("edit.keys")),
      h("ul", { id: "edit-help" }, ["hear", "edit", "done", "join", "delete", "again", "undo", "play"].map((name) => h("li", {}, t(`edit.keys.${name}`)))));
  }

  function hear(position) {
    if (isEditing) edit(position);
    else playFrom(position);
  }

  function playFrom(position) {
    const word = document_.wordAt(position);
    if (!word) return;
    player.seek(word.start);
    player.play();
  }

  function edit(position) {
    const segment = words.elementOf(position)?.parentElement;
    if (!segment) return;
    player.pause();
    openWordEditor(segment, position.word, {
      onDone: (from, to, text, then) => done(position.segment, from, to, text, then),
      onCancel: () => show(position, true),
      onHear: (from, to) => {
        const part = document_.segments[position.segment].words.slice(from, to);
        if (part.length) player.playPart(part[0].start - 0.15, part.at(-1).end + 0.15);
      },
    });
  }

  function done(segment, from, to, text, then) {
    const hadFocus = then !== 0 || document.activeElement?.classList.contains("word-input");
    const before = document_.segments[segment].words.length;
    const isChanged = document_.retype(segment, from, to, text);
    const end = to + document_.segments[segment].words.length - before;
    const position = { segment, word: Math.max(from, end - 1) };
    show(position, hadFocus);
    if (isChanged) changed();
    const next = then ? document_.next(then > 0 ? position : { segment, word: from }, then) : null;
    if (next) edit(next);
  }

  function show({ segment, word }, takesFocus) {
    words.redraw(segment);
    if (takesFocus) words.focus({ segment, word: Math.min(word, Math.max(0, document_.segments[segment].words.length - 1)) });
  }

  function changed() {
    saving.change();
    find.refresh();
    draw();
    onChange();
  }

  function travel(direction) {
    const segment = document_[direction]();
    if (segment === null) return;
    const { focused } = words;
    words.redraw(segment);
    words.scrollTo({ segment, word: 0 });
    if (element.contains(document.activeElement) === false) words.focus(focused?.segment === segment ? focused : { segment, word: 0 });
    announce(t(`edit.${direction}.done`), { visible: false });
    changed();
  }

  function goUnsure(by) {
    const from = words.focused ?? document_.begunAt(player.time) ?? { segment: 0, word: -1 };
    const wrapped = by > 0 ? { segment: 0, word: -1 } : { segment: document_.segments.length, word: 0 };
    words.focus(document_.next(from, by, isUnsure) ?? document_.next(wrapped, by, isUnsure));
  }

  function shortcut(event, position) {
    if (event.key.toLowerCase() === "n" && !event.ctrlKey && !event.metaKey && !event.altKey) goUnsure(event.shiftKey ? -1 : 1);
    else if (event.key === " " && player.isPlaying) player.pause();
    else if (event.key === " ") playFrom(position);
    else return false;
    event.preventDefault();
    return true;
  }

  function toggleMode() {
    isEditing = !isEditing;
    mode.setAttribute("aria-pressed", String(isEditing));
    words.element.classList.toggle("editing", isEditing);
  }

  async function revertAll() {
    if (!(await confirmed({ title: t("edit.revert.title"), text: t("edit.revert.text"), yes: t("edit.revert.yes") }))) return;
    try {
      await request(`${job.links.self}/revisions`, { method: "DELETE" });
      saving.reset(null);
      onReload();
      announce(t("edit.reverted"));
    } catch (error) {
      announce(error.message);
    }
  }

  async function keepMine() {
    try {
      const { revision } = await getJson(`${url}?format=json`);
      await saving.keepMine(revision);
    } catch (error) {
      announce(error.message);
    }
  }

  function draw() {
    undo.disabled = !document_.canUndo;
    redo.disabled = !document_.canRedo;
    const count = document_.count(isUnsure);
    setText(unsure, count ? t("words.unsure.count", { n: count }) : t("words.unsure.none"));
    for (const button of steps) button.disabled = !count;
    revert.hidden = saving.revision === null && !saving.hasUnsaved;
  }

  function pressKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target.closest?.("input, textarea, select, dialog")) return;
    const letter = event.key.toLowerCase();
    if (letter === "z") travel(event.shiftKey ? "redo" : "undo");
    else if (letter === "y") travel("redo");
    else return;
    event.preventDefault();
  }

  const warn = (event) => {
    if (!saving.hasUnsaved) return;
    saving.flush();
    event.preventDefault();
  };
  const hide = () => {
    if (document.hidden) saving.flush();
  };
  const onTime = () => words.showTime(player.time, player.isPlaying);
  saving.addEventListener("state", draw);
  player.addEventListener("time", onTime);
  document.addEventListener("keydown", pressKey);
  document.addEventListener("visibilitychange", hide);
  addEventListener("beforeunload", warn);

  return {
    element,
    document: document_,
    /** Save what is not saved yet, for example before a download. */
    flush: () => saving.flush(),
    get isRevised() {
      return saving.revision !== null || saving.hasUnsaved;
    },
    saving,
    dispose() {
      saving.flush();
      words.dispose();
      find.dispose();
      player.removeEventListener("time", onTime);
      document.removeEventListener("keydown", pressKey);
      document.removeEventListener("visibilitychange", hide);
      removeEventListener("beforeunload", warn);
    },
  };
}
