/** Playing the recording: an audio element, and tickets for it where the service wants a key. */

import { request, urlOf } from "./api.js";
import { key } from "./keys.js";

export const SKIP = 5;
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
// A ticket that is about to expire is replaced before the browser fails with it.
const SPARE = 60_000;

/**
 * Dispatches `time` at each change of the play head (every frame while it plays), `state` at each other change.
 */
export class Player extends EventTarget {
  #audio = new Audio();
  #expires = Infinity;
  #frame = 0;
  #isDisposed = false;
  #isRenewed = false;
  #opening = null;
  #until = Infinity;
  #url;
  #wanted = 0;

  /**
   * @param {string} url of the recording
   * @param {number} seconds its length as the service found it; browsers only estimate that of some formats
   */
  constructor(url, seconds) {
    super();
    this.#url = url;
    this.seconds = seconds;
    /** @type {null|"format"|"gone"|"offline"} why it can't be played */
    this.problem = null;
    /** What the service said about it. */
    this.message = "";
    this.#audio.preload = "metadata";
    const changed = () => this.#tell("state");
    for (const name of ["play", "pause", "waiting", "playing", "ratechange", "canplay"]) this.#audio.addEventListener(name, changed);
    for (const name of ["seeking", "seeked", "timeupdate"]) this.#audio.addEventListener(name, () => this.#tell("time"));
    this.#audio.addEventListener("playing", () => this.#run());
    this.#audio.addEventListener("canplay", () => { this.#isRenewed = false; });
    this.#audio.addEventListener("loadedmetadata", () => this.#begin());
    this.#audio.addEventListener("error", () => this.#fail());
    this.#open();
  }

  get isPlaying() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  get time() {
    return this.#audio.readyState ? Math.min(this.#audio.currentTime, this.seconds) : this.#wanted;
  }

  get speed() {
    return this.#audio.playbackRate;
  }

  set speed(rate) {
    this.#audio.defaultPlaybackRate = rate;
    this.#audio.playbackRate = rate;
  }

  async play() {
    if (this.problem) return;
    this.#until = Infinity;
    await this.#start();
  }

  pause() {
    this.#audio.pause();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Move the play head. */
  seek(seconds) {
    this.#until = Infinity;
    this.#move(seconds);
  }

  skip(seconds) {
    this.seek(this.time + seconds);
  }

  /** Play a part and stop. */
  async playPart(start, end) {
    if (this.problem) return;
    this.#move(start);
    this.#until = end;
    await this.#start();
  }

  /** Return a URL that the browser can download the recording from. */
  async downloadUrl() {
    const url = new URL((await this.#ticket()).url);
    url.searchParams.set("download", "true");
    return url.href;
  }

  dispose() {
    this.#isDisposed = true;
    cancelAnimationFrame(this.#frame);
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
  }

  async #start() {
    if (Date.now() > this.#expires - SPARE) await this.#open();
    if (this.#audio.ended) this.#audio.currentTime = 0;
    await this.#audio.play().catch(() => {}); // the error event tells why, or the person has paused meanwhile
  }

  #move(seconds) {
    this.#wanted = Math.min(Math.max(seconds, 0), this.seconds);
    if (this.#audio.readyState) this.#audio.currentTime = this.#wanted;
    this.#tell("time");
  }

  #begin() {
    if (!this.seconds && Number.isFinite(this.#audio.duration)) this.seconds = this.#audio.duration;
    if (this.#wanted) this.#audio.currentTime = this.#wanted;
    this.#tell("state");
  }

  async #open() {
    this.#opening ??= this.#ticket().finally(() => { this.#opening = null; });
    try {
      const { url, expires } = await this.#opening;
      if (this.#isDisposed) return;
      this.#wanted = this.time;
      this.#expires = expires;
      const { speed } = this;
      this.#audio.src = url;
      this.speed = speed;
    } catch (error) {
      this.#give(error.code === "offline" ? "offline" : "gone", error.message);
    }
  }

  async #ticket() {
    if (!key()) return { url: urlOf(this.#url).href, expires: Infinity };
    const answer = await (await request(`${this.#url}/ticket`, { method: "POST" })).json();
    return { url: urlOf(answer.url).href, expires: new Date(answer.expires_at).getTime() };
  }

  /** The element tells little: look whether the ticket, the recording, or the format is the reason. */
  async #fail() {
    if (this.#isDisposed || !this.#audio.getAttribute("src")) return;
    const wasPlaying = this.isPlaying;
    if (key() && !this.#isRenewed) {
      this.#isRenewed = true;
      await this.#open();
      if (wasPlaying) await this.#start();
      return;
    }
    try {
      const probe = new AbortController();
      await request(this.#url, { headers: { Range: "bytes=0-0" }, signal: probe.signal });
      probe.abort();
      this.#give("format");
    } catch (error) {
      this.#give(error.code === "offline" ? "offline" : "gone", error.message);
    }
  }

  /** Try again after a problem. */
  retry() {
    this.problem = null;
    this.#tell("state");
    this.#open();
  }

  #give(problem, message = "") {
    if (this.#isDisposed) return;
    this.problem = problem;
    this.message = message;
    this.#tell("state");
  }

  #run() {
    cancelAnimationFrame(this.#frame);
    const frame = () => {
      if (!this.isPlaying) return;
      if (this.time >= this.#until) {
        this.#until = Infinity;
        this.pause();
      }
      this.#tell("time");
      this.#frame = requestAnimationFrame(frame);
    };
    this.#frame = requestAnimationFrame(frame);
  }

  #tell(name) {
    if (!this.#isDisposed) this.dispatchEvent(new Event(name));
  }
}
