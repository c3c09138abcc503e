/** What is being dictated: it outlives the view, so that neither another language nor a look at the list loses it. */

import { ApiError } from "./api.js";
import { askForKey } from "./key_dialog.js";
import { openSession } from "./live_session.js";
import { NoMicrophone, openMicrophone } from "./microphone.js";
import { wavOf } from "./wav.js";

// A view that is drawn again follows the one before at once.
const GRACE = 500;

/** Dispatches `change` when something is to be drawn, and `level` ten times a second while it listens. */
class Dictation extends EventTarget {
  /** @type {"idle"|"opening"|"recording"|"finishing"} */
  state = "idle";
  /** Why there is no microphone (`kind: "microphone"`, `reason`), or no live text (`kind: "live"`, `code`, `message`). */
  trouble = null;
  /** Final texts, and what may still change. */
  finals = [];
  partial = "";
  level = 0;
  begunAt = new Date();
  #blocks = [];
  #leaving = 0;
  #microphone = null;
  #rate = 16_000;
  #samples = 0;
  #session = null;

  get seconds() {
    return this.#samples / this.#rate;
  }

  get text() {
    return this.finals.join(" ");
  }

  /** Return what was recorded, as WAV. */
  recording() {
    return wavOf(this.#blocks, this.#rate);
  }

  async start() {
    this.clear();
    this.#become("opening");
    try {
      this.#microphone = await openMicrophone((samples, loudest) => this.#hear(samples, loudest));
    } catch (error) {
      this.trouble = { kind: "microphone", reason: error instanceof NoMicrophone ? error.reason : "missing" };
      this.#become("idle");
      return;
    }
    this.#rate = this.#microphone.sampleRate;
    this.begunAt = new Date();
    this.#openLive();
    this.#become("recording");
  }

  async stop() {
    if (this.state !== "recording") return;
    this.#become("finishing");
    await this.#microphone.stop();
    this.#microphone = null;
    if (this.#session) this.#session.finish();
    else this.#become("idle");
  }

  /** Forget what was recorded and said. */
  clear() {
    this.trouble = null;
    this.finals = [];
    this.partial = "";
    this.#blocks = [];
    this.#samples = 0;
    this.#change();
  }

  /** A view shows it from now on. */
  enter() {
    clearTimeout(this.#leaving);
  }

  /** No view shows it: nobody may go on listening. What was recorded stays. */
  leave() {
    this.#leaving = setTimeout(() => this.stop(), GRACE);
  }

  #openLive() {
    this.#session = openSession(this.#rate, {
      onReady() {},
      onPartial: (words) => {
        this.partial = words;
        this.#change();
      },
      onSegment: ({ text }) => {
        this.partial = "";
        if (text) this.finals.push(text);
        this.#change();
      },
      onDone: () => {
        this.#session = null;
        if (this.state === "finishing") this.#become("idle");
      },
      onError: (code, message) => this.#fail(code, message),
    });
    for (const block of this.#blocks) this.#session.send(block);
  }

  #hear(samples, loudest) {
    this.#blocks.push(samples);
    this.#samples += samples.length;
    this.level = Math.sqrt(loudest);
    this.#session?.send(samples);
    this.dispatchEvent(new Event("level"));
  }

  /** The live session is over too early. The recording goes on: it can be kept and transcribed as a job. */
  async #fail(code, message) {
    this.#session = null;
    if (this.partial) this.finals.push(this.partial);
    this.partial = "";
    if (code === "key_missing" || code === "key_invalid") {
      const hasKey = await askForKey(new ApiError({ status: 401, code, message }));
      if (hasKey && this.state === "recording") {
        this.finals = [];
        this.#openLive();
        this.#change();
        return;
      }
    }
    this.trouble = { kind: "live", code, message };
    this.#become(this.state === "finishing" ? "idle" : this.state);
  }

  #become(state) {
    this.state = state;
    this.#change();
  }

  #change() {
    this.dispatchEvent(new Event("change"));
  }
}

export const dictation = new Dictation();

addEventListener("beforeunload", (event) => {
  if (dictation.seconds) event.preventDefault();
});
