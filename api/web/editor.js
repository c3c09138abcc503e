/** Correcting the text: typing words, undo and redo, saving, and the way back to the machine's text. */

import { request } from "./api.js";
import { confirmed } from "./confirm.js";
import { h, iconButton, setText } from "./dom.js";
import { findBar } from "./find.js";
import { MachineText } from "./machine_text.js";
import { saveState } from "./save_state.js";
import { leave, Saving, takeUnsaved } from "./saving.js";
import { t } from "./text.js";
import { toolButton } from "./tool_button.js";
import { TranscriptDocument } from "./transcript_document.js";
import { openWordEditor } from "./word_editor.js";
import { isUnsure, wordsView } from "./words.js";

/**
 * @param {{links: any}} job
 * @param {any} latest the newest text
 * @param {any} machine the machine's text
 * @param {import("./player.js").Player} player
 * @param {{announce: (message: string, options?: any) => void, onChange: () => void, onReload: () => void}} events
 *   `onReload` is called when the text must be read again from the service
 */
export function editor(job, latest, machine, player, { announce, onChange, onReload }) {
  const url = job.links.transcript;
  const left = takeUnsaved(url);
  const transcript = left?.transcript ?? new TranscriptDocument(latest.segments);
  const machineText = new MachineText(machine.segments);
  const saving = left?.saving ?? new Saving(url, latest.revision ?? null, () => transcript.saved());
  const words = wordsView(transcript, machineText, { onHear: hear, onEdit: edit, onKey: shortcut });
  const find = findBar(transcript, words);
  const state = saveState(saving, { announce, onTheirs: onReload, onMine: () => saving.keepMine() });

  const modeProps = { "aria-pressed": "false", title: t("edit.mode.hint"), on: { click: toggleMode } };
  const mode = iconButton("pencil", t("edit.mode"), modeProps);
  const undo = toolButton("undo", t("edit.undo"), () => travel("undo"), { "aria-keyshortcuts": "Control+Z" });
  const redo = toolButton("redo", t("edit.redo"), () => travel("redo"), { "aria-keyshortcuts": "Control+Y" });
  const revert = iconButton("retry", t("edit.revert"), { class: "quiet", on: { click: revertAll } });
  const follow = h("input", { type: "checkbox", checked: true, on: { change: () => words.follow(follow.checked) } });
  const unsure = h("span", { dataset: { testid: "unsure" } });
  const steps = [
    toolButton("up", t("words.unsure.previous"), () => goUnsure(-1)),
    toolButton("down", t("words.unsure.next"), () => goUnsure(1)),
  ];

  const element = h("section", { class: "card stack text-card", "aria-labelledby": "text-title" },
    h("div", { class: "row text-head" }, h("h2", { id: "text-title" }, t("words.title")), find.element, state.word,
      h("div", { class: "row tight", role: "group", "aria-label": t("edit.label") }, undo, redo, mode)),
    state.notice,
    h("div", { class: "row between legend-row" }, legend(), h("span", { class: "row tight small" }, unsure, steps),
      h("label", { class: "check small" }, follow, h("span", {}, t("words.follow")))),
    words.element,
    h("div", { class: "row between" }, help(), revert));
  let isEditing = false;
  draw();

  function legend() {
    const sample = (kind) => h("span", { class: `word ${kind}`, lang: "hi", "aria-hidden": "true" }, "शब्द");
    const entry = (kind, label) => h("li", {}, sample(kind), " ", t(label));
    return h("ul", { class: "legend small", "aria-label": t("words.legend") },
      entry("low", "words.legend.low"), entry("mid", "words.legend.mid"), entry("typed", "words.legend.typed"));
  }

  function help() {
    return h("details", { class: "small" }, h("summary", {}, t("edit.keys")),
      h("ul", { class: "edit-help" }, ["hear", "edit", "done", "join", "delete", "again", "undo", "play"].map((name) =>
        h("li", { id: name === "done" ? "edit-hint" : null }, t(`edit.keys.${name}`)))));
  }

  function hear(position) {
    if (isEditing) edit(position);
    else playFrom(position);
  }

  function playFrom(position) {
    const word = transcript.wordAt(position);
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
        const part = transcript.segments[position.segment].words.slice(from, to);
        if (part.length) player.playPart(part[0].start - 0.15, part.at(-1).end + 0.15);
      },
    });
  }

  function done(segment, from, to, text, then) {
    const hadFocus = then !== 0 || document.activeElement?.classList.contains("word-input");
    const before = transcript.segments[segment].words.length;
    const isChanged = transcript.retype(segment, from, to, text);
    const end = to + transcript.segments[segment].words.length - before;
    show({ segment, word: Math.max(from, end - 1) }, hadFocus);
    if (isChanged) changed();
    const next = then ? transcript.next({ segment, word: then > 0 ? end - 1 : from }, then) : null;
    if (next) edit(next);
  }

  function show({ segment, word }, takesFocus) {
    words.redraw(segment);
    const last = Math.max(0, transcript.segments[segment].words.length - 1);
    if (takesFocus) words.focus({ segment, word: Math.min(word, last) });
  }

  function changed() {
    saving.change();
    find.refresh();
    draw();
    onChange();
  }

  function travel(direction) {
    const segment = transcript[direction]();
    if (segment === null) return;
    words.redraw(segment);
    words.scrollTo({ segment, word: 0 });
    if (!element.contains(document.activeElement)) words.focus({ segment, word: 0 });
    announce(t(`edit.${direction}.done`), { visible: false });
    changed();
  }

  function goUnsure(by) {
    const from = words.focused ?? transcript.begunAt(player.time) ?? { segment: 0, word: -1 };
    const wrapped = by > 0 ? { segment: 0, word: -1 } : { segment: transcript.segments.length, word: 0 };
    words.focus(transcript.next(from, by, isUnsure) ?? transcript.next(wrapped, by, isUnsure));
  }

  function shortcut(event, position) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key.toLowerCase() === "n") goUnsure(event.shiftKey ? -1 : 1);
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
    const question = { title: t("edit.revert.title"), text: t("edit.revert.text"), yes: t("edit.revert.yes") };
    if (!(await confirmed(question))) return;
    try {
      await saving.flush(); // a save on its way would bring them back
      await request(`${job.links.self}/revisions`, { method: "DELETE" });
      saving.reset(null);
      onReload();
      announce(t("edit.reverted"));
    } catch (error) {
      announce(error.message);
    }
  }

  function draw() {
    undo.disabled = !transcript.canUndo;
    redo.disabled = !transcript.canRedo;
    const count = transcript.count(isUnsure);
    setText(unsure, count ? t("words.unsure.count", { n: count }) : t("words.unsure.none"));
    for (const button of steps) button.disabled = !count;
    revert.hidden = saving.revision === null && !saving.hasUnsaved;
  }

  function pressKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    const letter = event.key.toLowerCase();
    if (letter === "z") travel(event.shiftKey ? "redo" : "undo");
    else if (letter === "y") travel("redo");
    else return;
    event.preventDefault();
  }

  async function saveLast() {
    await leave(url, { saving, transcript });
    if (saving.hasUnsaved) announce(t("save.not_saved", { message: saving.error?.message ?? "" }));
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
    transcript,
    /** Save what is not saved yet, for example before a download. */
    flush: () => saving.flush(),
    get isRevised() {
      return saving.revision !== null || saving.hasUnsaved;
    },
    saving,
    dispose() {
      saveLast();
      words.dispose();
      find.dispose();
      player.removeEventListener("time", onTime);
      document.removeEventListener("keydown", pressKey);
      document.removeEventListener("visibilitychange", hide);
      removeEventListener("beforeunload", warn);
    },
  };
}
