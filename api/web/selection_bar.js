/** What can be done with the jobs that are selected in the list, or with all that match its filter. */

import { confirmed } from "./confirm.js";
import { h, iconButton, replace, setText } from "./dom.js";
import { canCancel, canRetry, cancelJob, each, eraseJob, hasText, isFinal, outcome, retryJob, save, zipOfTexts } from "./job_actions.js";
import { t } from "./text.js";

const FORMATS = ["txt", "srt", "vtt", "json", "tsv"];

/**
 * @param {{page: import("./job_page.js").JobPage, selected: Map<string, any>, announce: (text: string) => void,
 *   onDone: () => void}} list
 */
export function selectionBar({ page, selected, announce, onDone }) {
  let isAll = false;
  let abort = null;
  const count = h("strong", {});
  const everything = h("button", { type: "button", class: "quiet", on: { click: () => { isAll = !isAll; draw(); } } });
  const format = h("select", { "aria-label": t("selection.format") }, FORMATS.map((name) => h("option", { value: name }, name.toUpperCase())));
  const download = iconButton("download", t("selection.download"), { on: { click: downloadTexts } });
  const retry = iconButton("retry", t("retry"), { on: { click: () => run("retry", canRetry, retryJob) } });
  const cancel = iconButton("close", t("selection.cancel"), { on: { click: () => run("cancel", canCancel, cancelJob) } });
  const erase = iconButton("trash", t("erase"), { class: "danger", on: { click: eraseThem } });
  const progress = h("span", { role: "status" });
  const stop = h("button", { type: "button", on: { click: () => abort?.abort() } }, t("stop"));
  const actions = h("div", { class: "row" }, h("span", { class: "row" }, format, download), retry, cancel, erase);
  const element = h("div", { class: "selection grow", hidden: true }, count, everything, actions, progress, stop);

  function jobs() {
    return isAll ? page.everything() : [...selected.values()].map((job) => page.jobs.find(({ id }) => id === job.id) ?? job);
  }

  async function run(name, allows, act) {
    let skipped = 0;
    const chosen = jobs();
    try {
      const result = await busy((onProgress, signal) => each(chosen, (job) => {
        if (allows(job)) return act(job);
        skipped += 1;
        return null;
      }, onProgress, signal));
      announce(outcome(`actions.${name}`, { ...result, done: result.done - skipped }));
    } catch (error) {
      announce(error.message);
    }
    finish();
  }

  async function eraseThem() {
    const text = isAll ? t("erase.all") : t("erase.many", { n: selected.size });
    if (await confirmed({ title: t("erase.title"), text, yes: t("erase") })) await run("erase", isFinal, eraseJob);
  }

  async function downloadTexts() {
    const chosen = jobs();
    try {
      const { blob, done, failed } = await busy((onProgress, signal) => zipOfTexts(chosen, format.value, onProgress, signal));
      if (done) save(blob, `shrutlekh-${new Date().toISOString().slice(0, 10)}.zip`);
      announce(done ? outcome("actions.download", { done, failed }) : t("selection.no_texts"));
    } catch (error) {
      announce(error.message);
    }
  }

  async function busy(work) {
    abort = new AbortController();
    draw();
    try {
      return await work((done) => setText(progress, t("selection.progress", { n: done })), abort.signal);
    } finally {
      abort = null;
      replace(progress);
      draw();
    }
  }

  function finish() {
    isAll = false;
    onDone();
  }

  function draw() {
    if (!selected.size) isAll = false;
    element.hidden = !selected.size && !abort;
    actions.hidden = Boolean(abort);
    stop.hidden = !abort;
    setText(count, isAll ? t("selection.all") : t("selection.count", { n: selected.size }));
    const hasMore = page.hasNext || page.hasPrevious;
    everything.hidden = Boolean(abort) || !hasMore;
    setText(everything, isAll ? t("selection.only_these") : t("selection.everything"));
    const chosen = isAll ? null : [...selected.keys()].map((id) => page.jobs.find((job) => job.id === id) ?? selected.get(id));
    retry.hidden = chosen ? !chosen.some(canRetry) : false;
    cancel.hidden = chosen ? !chosen.some(canCancel) : false;
    erase.hidden = chosen ? !chosen.some(isFinal) : false;
    download.parentElement.hidden = chosen ? !chosen.some(hasText) : false;
  }

  return {
    element,
    draw,
    /** A row was taken out, so that no longer all are selected. */
    narrow() {
      isAll = false;
    },
    dispose: () => abort?.abort(),
  };
}
