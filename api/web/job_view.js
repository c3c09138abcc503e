/** One recording: its head, and below it its state or its result. */

import { getJson } from "./api.js";
import { confirmed } from "./confirm.js";
import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { canCancel, cancelJob, eraseJob, isFinal, retryJob } from "./job_actions.js";
import { drawChip } from "./job_row.js";
import { jobStatus } from "./job_status.js";
import { notice } from "./notice.js";
import { renderResult } from "./result_view.js";
import { onServiceState } from "./service_state.js";
import { duration, moment, size, t } from "./text.js";

/**
 * Show a job.
 * @param {HTMLElement} container
 * @param {string} jobId
 * @param {{announce: (message: string, options?: any) => void, navigate: (hash: string) => void}} tools
 * @returns {() => void} what ends the view
 */
export function renderJob(container, jobId, { announce, navigate }) {
  const abort = new AbortController();
  const name = h("h1", { lang: "hi" }, "…");
  const chip = h("span", {});
  const facts = h("span", { class: "muted small" });
  const action = (icon, label, run, kind = "quiet") =>
    iconButton(icon, t(label), { class: kind, on: { click: run }, hidden: true });
  const cancel = action("close", "job.cancel", () => act(cancelJob, "cancel"));
  const erase = action("trash", "erase", eraseForGood, "quiet danger");
  const body = h("div", { class: "stack job-body" });
  let job = null;
  let shown = "";
  let isOffline = false;
  let disposeBody = () => {};

  replace(container,
    h("div", { class: "job-view" },
      h("div", { class: "job-head" },
        h("div", { class: "row between" }, h("a", { class: "back", href: "#/" }, svgIcon("back"), t("job.back")),
          h("div", { class: "row tight" }, cancel, erase)),
        name, h("div", { class: "row facts" }, chip, facts)),
      body));
  const remove = onServiceState((_, before) => {
    if (before === "offline" && isOffline) load();
  });
  load();

  async function load() {
    isOffline = false;
    replace(body, h("p", { class: "card muted", role: "status" }, t("loading")));
    try {
      draw(await getJson(`v1/jobs/${jobId}`, { signal: abort.signal }));
    } catch (error) {
      if (!abort.signal.aborted) tell(error);
    }
  }

  function draw(next) {
    if (abort.signal.aborted) return;
    job = next;
    setText(name, job.file.folder ? `${job.file.folder}/${job.file.name}` : job.file.name);
    document.title = `${job.file.name} · श्रुतलेख`;
    drawChip(chip, job);
    setText(facts, factsOf(job).join("\u2002·\u2002"));
    cancel.hidden = !canCancel(job);
    erase.hidden = !isFinal(job);
    const kind = job.status === "succeeded" ? "result" : isFinal(job) ? job.status : "status";
    if (kind === shown) return;
    shown = kind;
    drawBody();
  }

  function drawBody() {
    disposeBody();
    if (job.status === "succeeded") {
      disposeBody = renderResult(body, job, { announce });
      return;
    }
    const onErased = () => tell({ code: "job_not_found" });
    const status = jobStatus(job, { announce, onJob: draw, onErased, onRetry: tryAgain });
    disposeBody = status.dispose;
    replace(body, status.element);
  }

  function tryAgain() {
    act(retryJob, "retry");
  }

  async function act(change, label) {
    try {
      draw((await change(job)) ?? job);
      announce(t(`actions.${label}.one`, { n: 1 }));
    } catch (error) {
      announce(error.message);
    }
  }

  async function eraseForGood() {
    const question = { title: t("erase.title"), text: t("erase.text", { name: job.file.name }), yes: t("erase") };
    if (!(await confirmed(question))) return;
    try {
      await eraseJob(job);
      announce(t("actions.erase.one", { n: 1 }));
      navigate("#/");
    } catch (error) {
      announce(error.message);
    }
  }

  function tell(error) {
    disposeBody();
    disposeBody = () => {};
    shown = "";
    const isGone = error.code === "job_not_found";
    isOffline = error.code === "offline";
    if (isGone) setText(name, t("job.gone"));
    for (const button of [cancel, erase]) button.hidden = true;
    if (isGone) replace(body, notice("info", t("job.gone.explain"), { role: "alert" }));
    else replace(body, notice("danger", error.message, { role: "alert", retry: load }));
  }

  return () => {
    abort.abort();
    remove();
    disposeBody();
  };
}

function factsOf({ audio, file, created_at: created, model }) {
  return [audio ? duration(audio.seconds) : null, size(file.bytes), moment(created), model].filter(Boolean);
}
