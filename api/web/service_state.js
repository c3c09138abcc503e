/** Whether the service can be reached and can transcribe, and the banner that says so. */

import { contact, onContact, urlOf } from "./api.js";
import { h, replace, svgIcon } from "./dom.js";
import { t } from "./text.js";

const LOOK = 10_000;
const LOOK_AGAIN = 2_000;
const TIMEOUT = 8_000;

const banner = h("div", { role: "status", "aria-live": "polite", dataset: { testid: "banner" } });
const listeners = new Set();

let state = "unknown";
let timer = 0;
let looking = false;

/** The element of the banner. It outlives every view; drawing it again is for another language. */
export function serviceBanner() {
  draw();
  return banner;
}

/** Call `listener(state)` when it changes: "ok", "offline", "no_worker", "draining", "not_ready". */
export function onServiceState(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Look from now on: regularly, at once when a request had no answer, and when the browser is online again. */
export function watchService() {
  onContact((hasAnswered) => {
    if (!hasAnswered) become("offline");
    else if (state === "offline") soon(0);
  });
  addEventListener("online", () => soon(0));
  addEventListener("offline", () => become("offline"));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) soon(0);
  });
  soon(0);
}

function soon(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(look, milliseconds);
}

async function look() {
  if (looking) return;
  looking = true;
  try {
    const response = await fetch(urlOf("readyz"), { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    become(stateOf(await response.json()));
  } catch {
    become("offline");
  } finally {
    looking = false;
  }
  if (!document.hidden) soon(state === "ok" ? LOOK : LOOK_AGAIN);
}

function stateOf({ status, checks, draining }) {
  if (draining) return "draining";
  if (status === "ready") return "ok";
  if (checks && !checks.workers.ok && checks.database.ok && checks.redis.ok && checks.disk.ok) return "no_worker";
  return checks && !checks.disk.ok ? "disk_full" : "not_ready";
}

function become(next) {
  if (next === state) return;
  const before = state;
  state = next;
  draw();
  if (next === "offline") soon(LOOK_AGAIN);
  else if (before === "offline") contact(true);
  for (const listener of listeners) listener(next, before);
}

function draw() {
  const isFine = state === "ok" || state === "unknown";
  banner.className = isFine ? "" : `banner ${state === "offline" || state === "not_ready" ? "danger" : "warning"}`;
  if (isFine) replace(banner);
  else replace(banner, svgIcon("warning"), h("span", {}, t(`state.${state}`)));
}
