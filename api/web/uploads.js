/** Uploads: a queue that outlives views, network failures and restarts of the service. */

import { authorization, contact, errorOf, offline, onContact, urlOf, wait } from "./api.js";
import { askForKey } from "./key_dialog.js";
import { t } from "./text.js";

const AT_ONCE = 2;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;
// Statuses after which the same upload may succeed: too many, a proxy without a service, unavailable, disk full.
const TEMPORARY = new Set([0, 429, 502, 503, 504, 507]);

/**
 * @typedef {Object} Upload
 * @property {number} id
 * @property {File} file
 * @property {string} name what to show: the path within a dropped folder
 * @property {"waiting"|"sending"|"pausing"|"done"|"failed"|"cancelled"} state
 * @property {number} sent bytes
 * @property {string|null} error why it failed, or why it pauses
 */

/** @type {Upload[]} */
let uploads = [];
let nextId = 1;
const listeners = new Set();
const submitted = new Set();

/** Call `listener()` whenever an upload has changed. Returns what removes it. */
export function onUploads(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Call `listener(job)` for each job that an upload made. Returns what removes it. */
export function onSubmitted(listener) {
  submitted.add(listener);
  return () => submitted.delete(listener);
}

/** All uploads since the list was last cleared. */
export function allUploads() {
  return uploads;
}

/** Figures of the uploads: how many are in each state, and the bytes of those that were not given up. */
export function summary() {
  const counts = { waiting: 0, sending: 0, pausing: 0, done: 0, failed: 0, cancelled: 0 };
  let bytes = 0;
  let sent = 0;
  for (const upload of uploads) {
    counts[upload.state] += 1;
    if (upload.state === "failed" || upload.state === "cancelled") continue;
    bytes += upload.file.size;
    sent += upload.state === "done" ? upload.file.size : upload.sent;
  }
  const active = counts.waiting + counts.sending + counts.pausing;
  return { ...counts, active, all: uploads.length - counts.cancelled, progress: bytes ? sent / bytes : active ? 0 : 1 };
}

/**
 * Queue files.
 * @param {{file: File, name: string}[]} files
 * @param {Object<string, string>} options fields of the form
 */
export function add(files, options) {
  if (!summary().active) uploads = uploads.filter((upload) => upload.state === "failed");
  for (const { file, name } of files) {
    // The same key with each try: the service makes one job, even if its answer was lost.
    uploads.push({ id: nextId++, file, name, options, key: crypto.randomUUID?.() ?? randomKey(),
      state: "waiting", sent: 0, error: null, abort: null });
  }
  changed();
  work();
}

/** Cancel an upload that has not arrived. */
export function cancel(upload) {
  if (upload.state === "done") return;
  upload.state = "cancelled";
  upload.abort?.abort();
  changed();
  work();
}

/** Cancel all that have not arrived. */
export function cancelAll() {
  for (const upload of uploads) if (isActive(upload)) cancel(upload);
}

/** Try a failed upload again. */
export function retry(upload) {
  Object.assign(upload, { state: "waiting", sent: 0, error: null });
  changed();
  work();
}

/** Forget those that are over. */
export function clearFinished() {
  uploads = uploads.filter(isActive);
  changed();
}

function isActive({ state }) {
  return state === "waiting" || state === "sending" || state === "pausing";
}

function work() {
  const running = uploads.filter(({ state }) => state === "sending" || state === "pausing").length;
  const next = uploads.filter(({ state }) => state === "waiting").slice(0, Math.max(0, AT_ONCE - running));
  for (const upload of next) {
    upload.state = "sending";
    run(upload).finally(work);
  }
}

async function run(upload) {
  upload.abort = new AbortController();
  const { signal } = upload.abort;
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      const job = await send(upload, signal);
      Object.assign(upload, { state: "done", sent: upload.file.size, error: null });
      changed();
      for (const listener of submitted) listener(job);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401 && (await askForKey(error))) continue;
      if (!TEMPORARY.has(error.status) || (error.status === 0 && !(await isReadable(upload.file)))) {
        fail(upload, error.status === 0 ? t("uploads.unreadable") : error.message);
        return;
      }
      Object.assign(upload, { state: "pausing", sent: 0, error: error.message });
      changed();
      await Promise.race([wait(error.retryAfter ? error.retryAfter * 1000 : pause, signal), serviceIsBack(signal)]);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      if (!signal.aborted) upload.state = "sending";
    }
  }
}

function fail(upload, message) {
  Object.assign(upload, { state: "failed", sent: 0, error: message });
  changed();
}

/** Send a file once. XMLHttpRequest, because fetch tells no progress of uploads. */
function send(upload, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.options)) form.append(name, value);
  form.append("file", upload.file, upload.file.name);
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", urlOf("v1/jobs"));
    for (const [name, value] of Object.entries(authorization())) xhr.setRequestHeader(name, value);
    xhr.setRequestHeader("Idempotency-Key", upload.key);
    xhr.upload.onprogress = ({ loaded, total }) => {
      upload.sent = total ? Math.min(1, loaded / total) * upload.file.size : 0;
      changed();
    };
    xhr.onload = () => {
      contact(xhr.status !== 502 && xhr.status !== 504);
      if (xhr.status === 202) resolve(JSON.parse(xhr.responseText));
      else reject(errorOf(xhr.status, xhr.responseText, Number(xhr.getResponseHeader("Retry-After")) || null));
    };
    xhr.onerror = () => {
      contact(false);
      reject(offline());
    };
    xhr.onabort = () => reject(offline());
    signal.addEventListener("abort", () => xhr.abort(), { once: true });
    xhr.send(form);
    changed();
  });
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function serviceIsBack(signal) {
  return new Promise((resolve) => {
    const remove = onContact((hasAnswered) => {
      if (hasAnswered) done();
    });
    const done = () => {
      remove();
      resolve();
    };
    signal.addEventListener("abort", done, { once: true });
  });
}

let drawing = 0;

function changed() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    for (const listener of listeners) listener();
  }, 100);
}

function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

addEventListener("beforeunload", (event) => {
  if (summary().active) event.preventDefault();
});
