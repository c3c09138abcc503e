/** Saving a corrected text a moment after each change, beside what other people save. */

import { request } from "./api.js";

const PAUSE = 1500;
const RETRY = 5000;
// The service's answers that say no, not: later.
const REFUSALS = new Set([400, 401, 403, 404, 409, 413, 415, 422]);

const running = new Map();
// Corrections that could not be saved before their view was left, by the URL of their transcript.
const unsaved = new Map();

/** Wait until nothing is being saved: a text that is read before is already old. */
export async function settled(url) {
  await running.get(url);
}

/**
 * Keep corrections beyond their view until they are saved, and save them.
 * @param {string} url of the transcript
 * @param {{saving: Saving, transcript: any}} corrections
 */
export async function leave(url, corrections) {
  if (!corrections.saving.hasUnsaved) return;
  unsaved.set(url, corrections);
  corrections.saving.addEventListener("state", () => {
    if (!corrections.saving.hasUnsaved && unsaved.get(url) === corrections) unsaved.delete(url);
  });
  await corrections.saving.flush();
}

/** Take corrections that were left unsaved, to go on with them; null if there are none. */
export function takeUnsaved(url) {
  const corrections = unsaved.get(url) ?? null;
  unsaved.delete(url);
  return corrections;
}

globalThis.addEventListener?.("beforeunload", (event) => {
  if (unsaved.size) event.preventDefault();
});

/** What the service knows as the newest text: none, or the revision that the person began with. */
export function tagOf(revision) {
  return revision ? `"${revision.number}.${revision.saves}"` : '"0.0"';
}

/** Dispatches `state` at each change of `state`. */
export class Saving extends EventTarget {
  #changes = 0;
  #read;
  #running = null;
  #saved = 0;
  #timer = 0;
  #url;

  /**
   * @param {string} url of the transcript
   * @param {any} revision that the text is, or null for the machine's
   * @param {() => any[]} read returns the segments to save
   */
  constructor(url, revision, read) {
    super();
    this.#url = url;
    this.#read = read;
    this.revision = revision;
    /** @type {"clean"|"waiting"|"saving"|"saved"|"failed"|"conflict"} */
    this.state = "clean";
    /** @type {Error|null} */
    this.error = null;
  }

  get hasUnsaved() {
    return this.#changes > this.#saved;
  }

  /** The text has changed: save it soon. */
  change() {
    this.#changes += 1;
    if (this.state === "conflict") return;
    if (!this.#running) this.#become("waiting");
    this.#later(PAUSE);
  }

  /** Save at once what has changed. */
  async flush() {
    clearTimeout(this.#timer);
    while (this.hasUnsaved && this.state !== "conflict") {
      if (!this.#running) {
        this.#running = this.#save().finally(() => { this.#running = null; });
        running.set(this.#url, this.#running);
      }
      await this.#running;
      if (this.state === "failed") return;
    }
  }

  /** Save over what another person has saved: the refusal has told which revision that is. */
  async keepMine() {
    const { number, saves } = this.error.problem;
    this.revision = { number, saves };
    this.#become("waiting");
    await this.flush();
  }

  /** Forget all changes: the text is that of a revision now, or the machine's. */
  reset(revision) {
    clearTimeout(this.#timer);
    this.revision = revision;
    this.#saved = this.#changes;
    this.#become("clean");
  }

  #later(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), milliseconds);
  }

  async #save() {
    const saving = this.#changes;
    this.#become("saving");
    try {
      const headers = { "If-Match": tagOf(this.revision) };
      const response = await request(this.#url, { method: "PUT", json: { segments: this.#read() }, headers });
      this.revision = await response.json();
      this.#saved = saving;
      this.#become(this.hasUnsaved ? "waiting" : "saved");
    } catch (error) {
      this.error = error;
      this.#become(error.code === "revision_conflict" ? "conflict" : "failed");
      if (this.state === "failed" && !REFUSALS.has(error.status)) this.#later(RETRY);
    }
  }

  #become(state) {
    this.state = state;
    if (state !== "failed" && state !== "conflict") this.error = null;
    this.dispatchEvent(new Event("state"));
  }
}
