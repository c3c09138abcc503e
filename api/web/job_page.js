/** One page of the list of jobs, kept up to date: by a stream for the jobs on it, and by looking for new ones. */

import { follow, getJson } from "./api.js";
import { onServiceState } from "./service_state.js";
import { onSubmitted } from "./uploads.js";

export const PAGE = 50;
const LOOK = 8_000;
const SETTLE = 400;

/** @typedef {{status: string, name: string}} Filter  empty texts select everything */

/**
 * @param {{onChange: () => void}} listener  called when `jobs`, `counts`, `error` or a job has changed
 */
export class JobPage {
  constructor({ onChange }) {
    this.jobs = [];
    /** Newest text of a running job, by its id. */
    this.snippets = new Map();
    this.counts = null;
    this.error = null;
    this.isLoading = true;
    /** @type {"open"|"reconnecting"|"closed"} */
    this.live = "closed";
    this.filter = { status: "", name: "" };
    this._onChange = onChange;
    this._cursors = [null];
    this._next = null;
    this._abort = new AbortController();
    this._stream = null;
    this._followed = "";
    this._loading = null;
    this._removers = [
      onSubmitted(() => this._soon(this._cursors.length === 1 ? SETTLE : 0)),
      onServiceState((state, before) => {
        if (before === "offline") this._soon(0);
      }),
    ];
    const seen = () => {
      if (!document.hidden) this._soon(0);
    };
    document.addEventListener("visibilitychange", seen);
    this._removers.push(() => document.removeEventListener("visibilitychange", seen));
    this.load();
  }

  get hasNext() {
    return this._next !== null;
  }

  get hasPrevious() {
    return this._cursors.length > 1;
  }

  get number() {
    return this._cursors.length;
  }

  dispose() {
    this._abort.abort();
    this._stream?.abort();
    clearTimeout(this._timer);
    clearTimeout(this._settling);
    for (const remove of this._removers) remove();
  }

  /** Show other jobs, from the first page on. */
  select(filter) {
    this.filter = { ...this.filter, ...filter };
    this._turn([null]);
  }

  next() {
    if (this.hasNext) this._turn([...this._cursors, this._next]);
  }

  previous() {
    if (this.hasPrevious) this._turn(this._cursors.slice(0, -1));
  }

  /** Replace a job that the service has just told of. */
  put(job) {
    const at = this.jobs.findIndex(({ id }) => id === job.id);
    if (at < 0) return;
    // A list has no positions; the one that the stream told stays until the next.
    const before = this.jobs[at];
    this.jobs[at] = { ...job, position: job.position ?? (job.status === "queued" ? before.position : null) };
    this._changed();
  }

  /** Remove a job that was erased. */
  drop(id) {
    this.jobs = this.jobs.filter((job) => job.id !== id);
    this._changed();
    this._soon(SETTLE);
  }

  /** Read the page. */
  async load() {
    this._loading?.abort();
    const loading = new AbortController();
    this._loading = loading;
    clearTimeout(this._timer);
    try {
      const page = await getJson(this._path({ cursor: this._cursors.at(-1), limit: PAGE, counts: true }), {
        signal: AbortSignal.any([loading.signal, this._abort.signal]),
      });
      const known = new Map(this.jobs.map((job) => [job.id, job]));
      this.jobs = page.jobs.map((job) => ({ ...job, position: job.position ?? known.get(job.id)?.position ?? null }));
      this._next = page.next_cursor;
      this.counts = page.counts;
      this.error = null;
    } catch (error) {
      if (loading.signal.aborted || this._abort.signal.aborted) return;
      this.error = error;
    }
    this.isLoading = false;
    this._changed();
    this._follow();
    if (!document.hidden) this._soon(LOOK);
  }

  /** Yield all jobs that the filter selects, page by page. */
  async *everything() {
    let cursor = null;
    do {
      const page = await getJson(this._path({ cursor, limit: 200 }));
      yield* page.jobs;
      cursor = page.next_cursor;
    } while (cursor);
  }

  _path(parameters) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...this.filter, ...parameters })) if (value) query.set(name, value);
    return `v1/jobs?${query}`;
  }

  _turn(cursors) {
    this._cursors = cursors;
    this.isLoading = true;
    this.jobs = [];
    this._changed();
    this.load();
  }

  _soon(milliseconds) {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.load(), milliseconds);
  }

  _follow() {
    const ids = this.jobs.filter(({ status }) => status === "queued" || status === "running").map(({ id }) => id);
    const followed = [...ids].sort().join();
    if (followed === this._followed) return;
    this._followed = followed;
    clearTimeout(this._settling);
    this._settling = setTimeout(() => this._stream_of(ids), this._stream ? SETTLE : 0);
  }

  _stream_of(ids) {
    this._stream?.abort();
    this._stream = null;
    this._live("closed");
    if (!ids.length) return;
    const stream = new AbortController();
    this._stream = stream;
    const path = `v1/jobs/events?${ids.map((id) => `job=${id}`).join("&")}`;
    const onEvent = (name, data) => {
      if (stream.signal.aborted) return false;
      if (name === "job") this._told(data);
      else if (name === "segment" && data.text) this._says(data);
      else if (name === "erased") this.drop(data.id);
      return true;
    };
    const onState = (state) => {
      if (!stream.signal.aborted) this._live(state);
    };
    follow(path, { onEvent, onState, signal: stream.signal }).catch(() => {}); // the list is read regularly all the same
  }

  _live(state) {
    if (this.live === state) return;
    this.live = state;
    this._changed();
  }

  _told(job) {
    const before = this.jobs.find(({ id }) => id === job.id);
    const hasEnded = before && before.finished_at === null && job.finished_at !== null;
    this.put(job);
    if (hasEnded || before?.status !== job.status) this._soon(2 * SETTLE); // counts, and jobs that no longer match
  }

  _says({ job_id: id, text }) {
    this.snippets.set(id, text);
    this._changed();
  }

  _changed() {
    this._drawing ??= requestAnimationFrame(() => {
      this._drawing = undefined;
      if (!this._abort.signal.aborted) this._onChange();
    });
  }
}
