/** Requests to the service: the API key, errors with a code, server-sent events. */

import { key } from "./keys.js";
import { readEvents } from "./sse.js";
import { t } from "./text.js";

/** URL of the service, ending in a slash. A proxy may publish it under a prefix. */
export const root = new URL(document.documentElement.dataset.root ?? "/", location.href);

const TIMEOUT = 60_000;
const LONGEST_PAUSE = 10_000;
// A stream sends a comment every 15 seconds. After this silence the connection counts as broken.
const SILENCE = 40_000;

/** What the service answered to a request that failed, or `code` "offline" if it did not answer. */
export class ApiError extends Error {
  constructor({ status = 0, code, message, problem = null, retryAfter = null }) {
    super(message);
    Object.assign(this, { status, code, problem, retryAfter });
  }
}

let unauthorised = null;
const contacts = new Set();

/**
 * Set what asks the person for a key: a function of the error, and of whether nobody waits for the request, that
 * resolves to whether there is a new key.
 */
export function onUnauthorised(ask) {
  unauthorised = ask;
}

/** Call `listener(hasAnswered)` after each request: whether the service can be reached. Returns what removes it. */
export function onContact(listener) {
  contacts.add(listener);
  return () => contacts.delete(listener);
}

/** Tell the listeners whether the service answers. */
export function contact(hasAnswered) {
  for (const listener of contacts) listener(hasAnswered);
}

/** Return a URL of the service: links that it sent are used as they are. */
export function urlOf(path) {
  return path.startsWith("/v1/") ? new URL(path.slice(1), root) : new URL(path, root);
}

/** Headers that carry the key. */
export function authorization() {
  return key() ? { Authorization: `Bearer ${key()}` } : {};
}

/**
 * Send a request. Asks for a key where the service wants one, then tries again.
 * @param {string} path below the root, or a link that the service sent
 * @param {{method?: string, json?: any, body?: any, headers?: Object<string, string>, signal?: AbortSignal,
 *   accept?: string, timeout?: number, quiet?: boolean}} [options] `quiet`: nobody waits for it, so it does not ask
 *   again for a key that the person did not want to enter
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
export async function request(path, options = {}) {
  for (;;) {
    try {
      return await requestOnce(path, options);
    } catch (error) {
      if (error.status !== 401 || !unauthorised || !(await unauthorised(error, options.quiet))) throw error;
    }
  }
}

/** Request JSON. */
export async function getJson(path, options = {}) {
  return (await request(path, { accept: "application/json", ...options })).json();
}

/**
 * Follow server-sent events, with the key. Connects again, with pauses, until the stream is over.
 * @param {string} path
 * @param {{onEvent: (name: string, data: any) => boolean|void, signal?: AbortSignal,
 *   onState?: (state: "open"|"reconnecting"|"closed") => void}} listener  The event `end` ends the stream, and so
 *   does `onEvent` by returning false.
 * @returns {Promise<void>} when it is over
 * @throws {ApiError} the service refuses the request
 */
export async function follow(path, { onEvent, onState = () => {}, signal }) {
  let lastId = null;
  let pause = 500;
  while (!signal?.aborted) {
    try {
      const headers = lastId ? { "Last-Event-ID": lastId } : {};
      const response = await request(path, { accept: "text/event-stream", headers, signal, timeout: 0, quiet: true });
      if (response.status === 204) break;
      onState("open");
      pause = 500;
      let isOver = false;
      await readEvents(response, SILENCE, signal, ({ id, name, data }) => {
        if (id) lastId = id;
        isOver = onEvent(name, JSON.parse(data)) === false || name === "end";
        return !isOver;
      });
      if (isOver) break;
    } catch (error) {
      if (signal?.aborted) return;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        onState("closed");
        throw error;
      }
    }
    if (signal?.aborted) return;
    onState("reconnecting");
    await wait(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
  onState("closed");
}

/** Wait for some milliseconds, or until the signal. */
export function wait(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/** Make the error that a response tells. `text` is its body. */
export function errorOf(status, text, retryAfter = null) {
  let problem = null;
  try {
    problem = JSON.parse(text);
  } catch {
    // A proxy's page, for example. It is not shown.
  }
  if (!problem?.code) return new ApiError({ status, code: `http_${status}`, message: t("error.http", { status: String(status) }) });
  return new ApiError({ status, code: problem.code, message: problem.detail ?? problem.title, problem, retryAfter });
}

/** Make the error of a request that got no answer. */
export function offline() {
  return new ApiError({ code: "offline", message: t("error.offline") });
}

async function requestOnce(path, { method = "GET", json, body, headers = {}, signal, accept, timeout = TIMEOUT }) {
  const sent = { ...authorization(), ...headers };
  if (accept) sent.Accept = accept;
  if (json !== undefined) sent["Content-Type"] = "application/json";
  const limit = timeout ? AbortSignal.timeout(timeout) : null;
  const signals = [signal, limit].filter(Boolean);
  let response;
  try {
    response = await fetch(urlOf(path), {
      method,
      headers: sent,
      body: json === undefined ? body : JSON.stringify(json),
      signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
      cache: "no-cache",
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    contact(false);
    throw offline();
  }
  contact(response.status !== 502 && response.status !== 504);
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  throw errorOf(response.status, text, Number(response.headers.get("Retry-After")) || null);
}
