/** A job that has no result yet, or none at all: waiting, running with the text so far, failed, cancelled. */

import { follow, getJson } from "./api.js";
import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { isFinal } from "./job_actions.js";
import { notice } from "./notice.js";
import { sentenceOf } from "./service_sentence.js";
import { duration, percent, t } from "./text.js";

const POSITION_PAUSE = 4000;

/**
 * @param {any} job
 * @param {{announce: (message: string, options?: any) => void, onJob: (job: any) => void, onErased: () => void,
 *   onRetry: () => void}} events  `onJob` is called with each change of the job
 * @returns {{element: HTMLElement, dispose: () => void}}
 */
export function jobStatus(job, { announce, onJob, onErased, onRetry }) {
  const abort = new AbortController();
  const line = h("p", { class: "status-line" });
  const bar = h("progress", { max: 1, "aria-label": t("job.progress") });
  const reconnecting = h("span", { class: "chip warning", hidden: true }, t("list.reconnecting"));
  const head = h("div", { class: "row between" }, line, reconnecting);
  const trouble = h("div", {});
  // Segments come every second: read aloud, they would never end. The state is announced, the text can be read.
  const text = h("div", { class: "partial-text", lang: "hi", role: "region", tabIndex: 0, "aria-label": t("job.partial") });
  const element = h("section", { class: "card stack job-status", "aria-label": t("job.status") },
    head, bar, trouble, text);
  let shown = job;
  let timer = 0;

  draw();
  if (!isFinal(job)) watch();

  async function watch() {
    pollPosition();
    try {
      await follow(`${job.links.self}/events`, { onEvent, onState, signal: abort.signal });
    } catch (error) {
      if (!abort.signal.aborted) tellTrouble(error);
    }
  }

  function onState(state) {
    reconnecting.hidden = state !== "reconnecting";
  }

  function onEvent(name, data) {
    if (abort.signal.aborted) return false;
    if (name === "progress") become({ ...shown, progress: data.progress });
    else if (name === "status") became(data);
    else if (name === "segment") add(data);
    else if (name === "end") become(data);
    else if (name === "erased") onErased();
    return name !== "end" && name !== "erased";
  }

  function became({ event, job: next }) {
    if (event === "retried" || event === "restarted") replace(text);
    if (next.status !== shown.status) announce(t(`status.${next.status}`), { visible: false });
    become(next);
  }

  function become(next) {
    shown = { ...next, position: next.position ?? (next.status === "queued" ? shown.position : null) };
    onJob(shown);
    draw();
  }

  /** Events tell no position: it changes with every other job. */
  async function pollPosition() {
    if (shown.status === "queued") {
      try {
        const next = await getJson(job.links.self, { signal: abort.signal });
        if (next.status === "queued" && shown.status === "queued") become(next);
      } catch {
        // The stream tells when the service is back.
      }
    }
    if (!abort.signal.aborted && !isFinal(shown)) timer = setTimeout(pollPosition, POSITION_PAUSE);
  }

  function add({ start, channel, text: words }) {
    if (!words) return;
    const isAtEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 40;
    const mark = channel === null ? null : h("span", { class: "channel" }, `${channel} `);
    text.append(h("p", {}, h("span", { class: "at" }, duration(start)), " ", mark, words));
    text.hidden = false;
    if (isAtEnd) text.scrollTop = text.scrollHeight;
  }

  function draw() {
    const { status, progress } = shown;
    bar.hidden = status !== "running";
    bar.value = progress;
    text.hidden = !text.firstChild;
    setText(line, lineOf(shown));
    head.hidden = status === "failed" || status === "cancelled";
    if (status === "failed" || status === "cancelled") drawEnd();
    else replace(trouble);
  }

  function drawEnd() {
    const { status, error } = shown;
    const retry = iconButton("retry", t("job.retry"), { on: { click: onRetry } });
    const kind = status === "failed" ? "danger" : "info";
    replace(trouble, h("div", { class: `notice ${kind}` }, svgIcon(status === "failed" ? "error" : "close"),
      h("div", { class: "grow stack" }, h("strong", {}, t(`job.${status}`)),
        error ? h("span", {}, sentenceOf(`job.error.${error.code}`, error.message)) : null,
        error ? h("span", { class: "small" }, t("job.error.code"), " ", h("code", {}, error.code)) : null,
        h("div", { class: "row" }, retry))));
  }

  function tellTrouble(error) {
    const again = () => {
      replace(trouble);
      watch();
    };
    replace(trouble, notice("danger", error.message, { role: "alert", retry: again }));
  }

  return {
    element,
    dispose() {
      abort.abort();
      clearTimeout(timer);
    },
  };
}

function lineOf({ status, position, progress, attempt, max_attempts: most, cancel_requested: isCancelling }) {
  if (isCancelling) return t("status.cancelling");
  if (status === "queued") {
    if (position === null) return t("job.queued");
    return position ? t("job.position", { n: position }) : t("job.next");
  }
  const tries = attempt > 1 ? ` · ${t("list.attempt", { attempt, most })}` : "";
  return `${t("job.running", { percent: percent(progress) })}${tries}`;
}
