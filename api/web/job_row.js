/** One job in the list. */

import { canCancel, canRetry, isFinal } from "./job_actions.js";
import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { duration, has, moment, percent, size, t } from "./text.js";

const ICONS = { queued: "clock", running: "mic", succeeded: "check", failed: "error", cancelled: "close" };

/**
 * @param {any} job
 * @param {{onSelect: (isSelected: boolean) => void, onAction: (name: "cancel"|"retry"|"erase", job: any) => void}} events
 */
export function jobRow(job, { onSelect, onAction }) {
  const box = h("input", { type: "checkbox", on: { change: () => onSelect(box.checked) } });
  const name = h("a", { class: "name", href: `#/jobs/${job.id}`, lang: "hi" });
  const chip = h("span", {});
  const facts = h("span", { class: "row" });
  const bar = h("progress", { max: 1 });
  const snippet = h("div", { class: "snippet", lang: "hi" });
  const failure = h("div", { class: "failure" });
  const button = (icon, action) => iconButton(icon, "-", { visible: false, class: "quiet square", on: { click: () => onAction(action, shown) } });
  const buttons = { retry: button("retry", "retry"), cancel: button("close", "cancel"), erase: button("trash", "erase") };
  const element = h("li", { dataset: { job: job.id } }, box,
    h("div", { class: "what" }, name, h("div", { class: "facts" }, chip, facts), bar, snippet, failure),
    h("div", { class: "actions" }, Object.values(buttons)));
  let shown = job;

  function draw(next, { text = "", isSelected = false }) {
    shown = next;
    const { file, status, progress, error } = next;
    box.checked = isSelected;
    box.setAttribute("aria-label", t("list.select", { name: file.name }));
    setText(name, file.folder ? `${file.folder}/${file.name}` : file.name);
    drawChip(chip, next);
    const words = factsOf(next).join("\u2002·\u2002");
    setText(facts, words);
    bar.hidden = status !== "running";
    bar.value = progress;
    bar.setAttribute("aria-label", t("list.progress", { name: file.name }));
    setText(snippet, status === "running" ? text : "");
    snippet.hidden = !snippet.textContent;
    setText(failure, error ? error.message : "");
    failure.hidden = !error;
    for (const [action, isShown] of [["retry", canRetry(next)], ["cancel", canCancel(next)], ["erase", isFinal(next)]]) {
      buttons[action].hidden = !isShown;
      const label = t(`list.${action}`, { name: file.name });
      buttons[action].setAttribute("aria-label", label);
      buttons[action].title = t(`${action}`);
    }
  }

  return { element, draw };
}

/** Draw the state of a job as a coloured word with an icon. */
export function drawChip(chip, job) {
  const isCancelling = !isFinal(job) && job.cancel_requested;
  const label = isCancelling ? t("status.cancelling") : t(`status.${job.status}`);
  if (chip.dataset.shown === label) return;
  chip.dataset.shown = label;
  chip.className = `chip ${job.status}`;
  replace(chip, svgIcon(ICONS[job.status] ?? "clock"), label);
}

function factsOf({ status, position, progress, audio, file, created_at: created, warnings, attempt, max_attempts: most }) {
  const facts = [];
  if (status === "queued" && position !== null) facts.push(position ? t("list.position", { n: position }) : t("list.next"));
  if (status === "running") facts.push(percent(progress));
  if (!["succeeded", "cancelled"].includes(status) && attempt > 1) facts.push(t("list.attempt", { attempt, most }));
  if (audio) facts.push(duration(audio.seconds));
  facts.push(size(file.bytes), moment(created));
  if (warnings?.length) facts.push(`⚠ ${warnings.map(({ code }) => (has(`warning.${code}`) ? t(`warning.${code}`) : code)).join(", ")}`);
  return facts;
}
