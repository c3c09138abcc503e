/** Dictation: text while one speaks, then the recording as a job like any other. */

import { ApiError } from "./api.js";
import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { askForKey } from "./key_dialog.js";
import { save } from "./job_actions.js";
import { openSession } from "./live_session.js";
import { NoMicrophone, openMicrophone } from "./microphone.js";
import { duration, has, t } from "./text.js";
import { add } from "./uploads.js";
import { wavOf } from "./wav.js";

/** @returns {() => void} what ends the view, and a recording with it */
export function renderDictation(container, { announce, navigate }) {
  /** @type {"idle"|"opening"|"recording"|"finishing"} */
  let state = "idle";
  let microphone = null;
  let session = null;
  let isGone = false;
  let recorded = { blocks: [], samples: 0, rate: 16_000 };
  let finals = [];
  let partial = "";

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
  const download = iconButton("download", t("dictate.download"), { on: { click: () => save(recording(), fileName()) } });
  const discard = iconButton("trash", t("dictate.discard"), { on: { click: clearAll } });
  const after = h("div", { class: "row" }, keep, copy, download, discard);

  replace(container, h("h1", {}, t("dictate.title")), h("p", { class: "muted" }, t("dictate.intro")),
    h("div", { class: "dictation" }, h("section", { class: "card stage", "aria-label": t("dictate.microphone") }, mic, hint, level, clock),
      trouble, text, after));
  draw();

  function toggle() {
    if (state === "idle") start();
    else if (state === "recording") stop();
  }

  async function start() {
    recorded = { blocks: [], samples: 0, rate: 16_000 };
    finals = [];
    partial = "";
    replace(trouble);
    become("opening");
    try {
      const opened = await openMicrophone(hear);
      if (isGone) return void opened.stop();
      microphone = opened;
    } catch (error) {
      return tell(t(`dictate.no_microphone.${error instanceof NoMicrophone ? error.reason : "missing"}`));
    }
    recorded.rate = microphone.sampleRate;
    openLive();
    become("recording");
  }

  function openLive() {
    session = openSession(recorded.rate, {
      onReady() {},
      onPartial(words) {
        partial = words;
        draw();
      },
      onSegment(segment) {
        partial = "";
        if (segment.text) finals.push(segment.text);
        draw();
      },
      onDone: () => ended(),
      onError: failed,
    });
    for (const block of recorded.blocks) session.send(block);
  }

  function hear(samples, loudest) {
    recorded.blocks.push(samples);
    recorded.samples += samples.length;
    level.value = Math.sqrt(loudest);
    setText(clock, duration(recorded.samples / recorded.rate));
    session?.send(samples);
  }

  async function stop() {
    become("finishing");
    await microphone?.stop();
    microphone = null;
    if (session) session.finish();
    else ended();
  }

  function ended() {
    session = null;
    if (state === "finishing") become("idle");
  }

  /** The live session is over too early. The recording goes on: it can be kept and transcribed as a job. */
  async function failed(code, message) {
    session = null;
    if (partial) finals.push(partial);
    partial = "";
    if (code === "key_missing" || code === "key_invalid") {
      if ((await askForKey(new ApiError({ status: 401, code, message }))) && state === "recording" && !isGone) {
        openLive();
        return draw();
      }
    }
    replace(trouble, h("p", { class: "notice warning" }, svgIcon("warning"),
      h("span", {}, `${has(`dictate.error.${code}`) ? t(`dictate.error.${code}`) : message || t("error.offline")} ${t("dictate.goes_on")}`)));
    if (state === "finishing") become("idle");
    else draw();
  }

  function tell(message) {
    replace(trouble, h("p", { class: "notice danger" }, svgIcon("error"), h("span", {}, message)));
    become("idle");
  }

  function become(next) {
    state = next;
    draw();
  }

  function draw() {
    const isRecording = state === "recording";
    mic.className = `mic ${isRecording ? "recording" : "primary"}`;
    mic.disabled = state === "opening" || state === "finishing";
    mic.setAttribute("aria-label", t(isRecording ? "dictate.stop" : "dictate.start"));
    replace(mic, svgIcon(isRecording ? "stop" : "mic"));
    setText(hint, t(`dictate.${state}`));
    level.hidden = !isRecording;
    clock.hidden = !recorded.samples;
    setText(final, finals.join(" "));
    setText(pending, partial);
    text.hidden = !finals.length && !partial && state === "idle";
    after.hidden = state !== "idle" || !recorded.samples;
    copy.disabled = !finals.length;
  }

  function recording() {
    return wavOf(recorded.blocks, recorded.rate);
  }

  function fileName() {
    const now = new Date();
    const two = (value) => String(value).padStart(2, "0");
    const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
    return `${t("dictate.file_name")} ${day} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}.wav`;
  }

  function keepRecording() {
    const file = new File([recording()], fileName(), { type: "audio/wav" });
    add([{ file, name: file.name }], { spectrogram: "true" });
    clearAll();
    navigate("#/");
  }

  async function copyText() {
    try {
      await navigator.clipboard.writeText(finals.join(" "));
      announce(t("dictate.copied"));
    } catch {
      getSelection().selectAllChildren(text);
      announce(t("dictate.copy_yourself"));
    }
  }

  function clearAll() {
    recorded = { blocks: [], samples: 0, rate: 16_000 };
    finals = [];
    partial = "";
    replace(trouble);
    draw();
    mic.focus();
  }

  const warn = (event) => {
    if (recorded.samples) event.preventDefault();
  };
  addEventListener("beforeunload", warn);
  return () => {
    isGone = true;
    removeEventListener("beforeunload", warn);
    session?.close();
    microphone?.stop();
  };
}
