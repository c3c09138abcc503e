/** One page of the list of jobs, kept up to date: by a stream for the jobs on it, and by looking for new ones. */

import { follow, getJson } from "./api.js";
import { onServiceState } from "./service_state.js";
import { onSubmitted } from "./uploads.js";

export const PAGE = 50;
const LOOK = 8_000;
const SETTLE = 400;

/** @typedef {{status: string, name: string}} Filter  empty texts select everything */

function pathOf(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  return `v1/jobs?${query}`;
}

async function* pagesOf(filter) {
  let cursor = null;
  do {
    const page = await getJson(pathOf({ ...filter, cursor, limit: 200 }));
    yield* page.jobs;
    cursor = page.next_cursor;
  } while (cursor);
}

/**
 * @param {{onChange: () => void, filter: Filter}} listener  called when `jobs`, `counts`, `error` or a job has changed
 */
export class JobPage {
  #abort = new AbortController();
  #cursors = [null];
  #drawing;
  #due = Infinity;
  #followed = "";
  #loading = null;
  #next = null;
  #onChange;
  #removers;
  #settling;
  #stream = null;
  #timer;

  constructor({ onChange, filter }) {
    this.jobs = [];
    /** Newest text of a running job, by its id. */
    this.snippets = new Map();
    this.counts = null;
    this.error = null;
    this.isLoading = true;
    /** @type {"open"|"reconnecting"|"closed"} */
    this.live = "closed";
    this.filter = filter;
    this.#onChange = onChange;
    this.#removers = [
      onSubmitted(() => this.#soon(this.#cursors.length === 1 ? SETTLE : 0)),
      onServiceState((state, before) => {
        if (before === "offline") this.#soon(0);
      }),
    ];
    const seen = () => {
      if (!document.hidden) this.#soon(0);
    };
    document.addEventListener("visibilitychange", seen);
    this.#removers.push(() => document.removeEventListener("visibilitychange", seen));
    this.load();
  }

  get hasNext() {
    return this.#next !== null;
  }

  get hasPrevious() {
    return this.#cursors.length > 1;
  }

  get number() {
    return this.#cursors.length;
  }

  dispose() {
    this.#abort.abort();
    this.#stream?.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#settling);
    for (const remove of this.#removers) remove();
  }

  /** Show other jobs, from the first page on. */
  select(filter) {
    this.filter = filter;
    this.#turn([null]);
  }

  next() {
    if (this.hasNext) this.#turn([...this.#cursors, this.#next]);
  }

  previous() {
    if (this.hasPrevious) this.#turn(this.#cursors.slice(0, -1));
  }

  /** Replace a job that the service has just told of. */
  put(job) {
    const at = this.jobs.findIndex(({ id }) => id === job.id);
    if (at < 0) return;
    // A list has no positions; the one that the stream told stays until the next.
    const before = this.jobs[at];
    this.jobs[at] = { ...job, position: job.position ?? (job.status === "queued" ? before.position : null) };
    this.#changed();
  }

  /** Remove a job that was erased. */
  drop(id) {
    this.jobs = this.jobs.filter((job) => job.id !== id);
    this.#changed();
    this.#soon(SETTLE);
  }

  /**
   * Read the page.
   * @param {{quiet?: boolean}} [options] `quiet`: nobody waits for it, see `request`
   */
  async load({ quiet = false } = {}) {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    clearTimeout(this.#timer);
    this.#due = Infinity;
    try {
      const shown = { ...this.filter, cursor: this.#cursors.at(-1), limit: PAGE, counts: true };
      const page = await getJson(pathOf(shown), {
        signal: AbortSignal.any([loading.signal, this.#abort.signal]),
        quiet,
      });
      const known = new Map(this.jobs.map((job) => [job.id, job]));
      this.jobs = page.jobs.map((job) => ({ ...job, position: job.position ?? known.get(job.id)?.position ?? null }));
      this.#next = page.next_cursor;
      this.counts = page.counts;
      this.error = null;
    } catch (error) {
      if (loading.signal.aborted || this.#abort.signal.aborted) return;
      this.error = error;
    }
    this.isLoading = false;
    this.#changed();
    this.#follow();
    if (!document.hidden) this.#soon(LOOK);
  }

  /** Return all jobs that the filter selects now, page by page, whatever is selected meanwhile. */
  everything() {
    return pagesOf({ ...this.filter });
  }

  #turn(cursors) {
    this.#cursors = cursors;
    this.isLoading = true;
    this.jobs = [];
    this.#changed();
    this.load();
  }

  /** Read the page after a while, or earlier if that is planned already: events that follow fast must not delay it. */
  #soon(milliseconds) {
    const due = performance.now() + milliseconds;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.load({ quiet: true }), milliseconds);
  }

  #follow() {
    const ids = this.jobs.filter(({ status }) => status === "queued" || status === "running").map(({ id }) => id);
    const followed = [...ids].sort().join();
    if (followed === this.#followed) return;
    this.#followed = followed;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#listen(ids), this.#stream ? SETTLE : 0);
  }

  #listen(ids) {
    this.#stream?.abort();
    this.#stream = null;
    this.#becomes("closed");
    if (!ids.length) return;
    const stream = new AbortController();
    this.#stream = stream;
    const path = `v1/events?${ids.map((id) => `job=${id}`).join("&")}`;
    const onEvent = (name, data) => {
      if (stream.signal.aborted) return false;
      if (name === "job") this.#told(data);
      else if (name === "segment" && data.text) this.#says(data);
      else if (name === "erased") this.drop(data.id);
      return true;
    };
    const onState = (state) => {
      if (!stream.signal.aborted) this.#becomes(state);
    };
    follow(path, { onEvent, onState, signal: stream.signal }).catch(() => {}); // the list is read regularly all the same
  }

  #becomes(state) {
    if (this.live === state) return;
    this.live = state;
    this.#changed();
  }

  #told(job) {
    const before = this.jobs.find(({ id }) => id === job.id);
    const hasEnded = before && before.finished_at === null && job.finished_at !== null;
    this.put(job);
    if (hasEnded || before?.status !== job.status) this.#soon(2 * SETTLE); // counts, and jobs that no longer match
  }

  #says({ job_id: id, text }) {
    this.snippets.set(id, text);
    this.#changed();
  }

  #changed() {
    this.#drawing ??= requestAnimationFrame(() => {
      this.#drawing = undefined;
      if (!this.#abort.signal.aborted) this.#onChange();
    });
  }
}
