/** Dictation: text while one speaks, then the recording as a job like any other. */

import { dictation } from "./dictation.js";
import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { save } from "./job_actions.js";
import { duration, has, t } from "./text.js";
import { add } from "./uploads.js";

/** @returns {() => void} what ends the view. A recording in progress then stops; what was said stays. */
export function renderDictation(container, { announce, navigate }) {
  const mic = h("button", { type: "button", class: "mic primary", on: { click: toggle } });
  const hint = h("p", { role: "status", class: "muted" });
  const clock = h("span", { class: "muted", role: "timer", "aria-label": t("dictate.length") });
  const level = h("progress", { class: "level", max: 1, value: 0, "aria-label": t("dictate.level") });
  // Partial text changes several times a second: only final text is spoken by screen readers.
  const final = h("span", { role: "log", "aria-live": "polite", "aria-label": t("dictate.text") });
  const pending = h("span", { class: "partial", dataset: { testid: "partial" } });
  const text = h("section", { class: "card dictated", lang: "hi", "aria-label": t("dictate.text"), tabIndex: 0 }, final, " ", pending);
  const trouble = h("div", { role: "alert" });
  const copy = iconButton("copy", t("dictate.copy"), { on: { click: copyText } });
  const keep = iconButton("upload", t("dictate.keep"), { class: "primary", on: { click: keepRecording } });
  const download = iconButton("download", t("dictate.download"), { on: { click: () => save(dictation.recording(), fileName()) } });
  const discard = iconButton("trash", t("dictate.discard"), { on: { click: discardAll } });
  const after = h("div", { class: "row" }, keep, copy, download, discard);
  let shownTrouble = null;

  replace(container, h("h1", {}, t("dictate.title")), h("p", { class: "muted" }, t("dictate.intro")),
    h("div", { class: "dictation" }, h("section", { class: "card stage", "aria-label": t("dictate.microphone") }, mic, hint, level, clock),
      trouble, text, after));
  dictation.enter();
  dictation.addEventListener("change", draw);
  dictation.addEventListener("level", drawLevel);
  draw();

  function toggle() {
    if (dictation.state === "idle") dictation.start();
    else dictation.stop();
  }

  function draw() {
    const { state, finals, partial, seconds } = dictation;
    const isRecording = state === "recording";
    mic.className = `mic ${isRecording ? "recording" : "primary"}`;
    mic.disabled = state === "opening" || state === "finishing";
    mic.setAttribute("aria-label", t(isRecording ? "dictate.stop" : "dictate.start"));
    replace(mic, svgIcon(isRecording ? "stop" : "mic"));
    setText(hint, t(`dictate.${state}`));
    level.hidden = !isRecording;
    setText(final, dictation.text);
    setText(pending, partial);
    text.hidden = !finals.length && !partial && state === "idle";
    after.hidden = state !== "idle" || !seconds;
    copy.disabled = !finals.length;
    drawLevel();
    drawTrouble();
  }

  function drawLevel() {
    level.value = dictation.level;
    clock.hidden = !dictation.seconds;
    setText(clock, duration(dictation.seconds));
  }

  function drawTrouble() {
    if (dictation.trouble === shownTrouble) return;
    shownTrouble = dictation.trouble;
    if (!shownTrouble) {
      replace(trouble);
      return;
    }
    const { kind, reason, code, message } = shownTrouble;
    const [icon, look, words] = kind === "microphone"
      ? ["error", "danger", t(`dictate.no_microphone.${reason}`)]
      : ["warning", "warning", `${has(`dictate.error.${code}`) ? t(`dictate.error.${code}`) : message || t("error.offline")} ${t("dictate.goes_on")}`];
    replace(trouble, h("p", { class: `notice ${look}` }, svgIcon(icon), h("span", {}, words)));
  }

  function fileName() {
    const at = dictation.begunAt;
    const two = (value) => String(value).padStart(2, "0");
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    return `${t("dictate.file_name")} ${day} ${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}.wav`;
  }

  function keepRecording() {
    const file = new File([dictation.recording()], fileName(), { type: "audio/wav" });
    add([{ file, name: file.name }], { spectrogram: "true" });
    dictation.clear();
    navigate("#/");
  }

  async function copyText() {
    try {
      await navigator.clipboard.writeText(dictation.text);
      announce(t("dictate.copied"));
    } catch {
      getSelection().selectAllChildren(text);
      announce(t("dictate.copy_yourself"));
    }
  }

  function discardAll() {
    dictation.clear();
    mic.focus();
  }

  return () => {
    dictation.removeEventListener("change", draw);
    dictation.removeEventListener("level", drawLevel);
    dictation.leave();
  };
}
