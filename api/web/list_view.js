/** The first view: dropping recordings, and the list of jobs. */

import { confirmed } from "./confirm.js";
import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { dropZone } from "./drop_zone.js";
import { cancelJob, eraseJob, retryJob } from "./job_actions.js";
import { JobPage } from "./job_page.js";
import { jobRow } from "./job_row.js";
import { selectionBar } from "./selection_bar.js";
import { number, t } from "./text.js";

const STATUSES = ["", "queued", "running", "succeeded", "failed", "cancelled"];
const TYPING = 300;

// What the person looked for last, who may come back to it from a job.
let filter = { status: "", name: "" };

/** @returns {() => void} what ends the view */
export function renderList(container, { announce }) {
  const rows = new Map();
  const selected = new Map();
  const page = new JobPage({ onChange: draw, filter });
  const drop = dropZone({ announce });
  const tabs = new Map(STATUSES.map((status) => [status, tab(status)]));
  const search = h("input", { type: "search", "aria-label": t("list.search"), placeholder: t("list.search"), value: filter.name,
    on: { input: typed } });
  const live = h("span", { class: "chip warning", hidden: true }, t("list.reconnecting"));
  const all = h("input", { type: "checkbox", "aria-label": t("list.select_page"), on: { change: selectPage } });
  const bar = selectionBar({ page, selected, announce, onDone: () => { selected.clear(); page.load(); } });
  const list = h("ul", { class: "jobs", "aria-label": t("list.jobs") });
  const empty = h("div", { class: "empty" });
  const trouble = h("div", {});
  const previous = iconButton("back", t("list.newer"), { on: { click: () => page.previous() } });
  const next = iconButton("forward", t("list.older"), { on: { click: () => page.next() } });
  const place = h("span", { class: "muted small", "aria-live": "polite" });
  const pager = h("nav", { class: "pager", "aria-label": t("list.pages") }, previous, place, next);
  const card = h("section", { class: "card stack", "aria-label": t("nav.list"), hidden: true },
    h("div", { class: "row" },
      h("div", { class: "tabs", role: "group", "aria-label": t("list.filter") }, [...tabs.values()].map(({ element }) => element)),
      h("span", { class: "grow" }), live, h("div", { class: "search" }, svgIcon("search"), search)),
    h("div", { class: "row" }, h("label", { class: "check small muted" }, all, h("span", {}, t("list.select_page"))), bar.element),
    trouble, list, empty, pager);
  let typing = 0;

  replace(container, h("h1", { class: "visually-hidden" }, t("nav.list")), drop.element, card);
  draw();

  function tab(status) {
    const count = h("span", { class: "count" });
    const element = h("button", { type: "button", "aria-pressed": "false", on: { click: () => choose(status) } },
      t(`list.${status || "all"}`), count);
    return { element, count };
  }

  function choose(status) {
    show({ status });
  }

  function show(change) {
    selected.clear();
    filter = { ...filter, ...change };
    page.select(filter);
  }

  function typed() {
    clearTimeout(typing);
    typing = setTimeout(() => show({ name: search.value.trim() }), TYPING);
  }

  function selectPage() {
    for (const job of page.jobs) {
      if (all.checked) selected.set(job.id, job);
      else selected.delete(job.id);
    }
    if (!all.checked) bar.narrow();
    draw();
  }

  async function act(action, job) {
    if (action === "erase" && !(await confirmed({
      title: t("erase.title"), text: t("erase.text", { name: job.file.name }), yes: t("erase") }))) return;
    try {
      if (action === "retry") page.put(await retryJob(job));
      else if (action === "cancel") page.put((await cancelJob(job)) ?? job);
      else await eraseJob(job);
      announce(t(`actions.${action}.one`));
      if (action === "erase") {
        selected.delete(job.id);
        page.drop(job.id);
        list.querySelector("a")?.focus();
      } else {
        page.load();
      }
    } catch (error) {
      announce(error.message);
    }
  }

  function draw() {
    const total = page.counts ? Object.values(page.counts).reduce((sum, count) => sum + count, 0) : null;
    const isFiltered = Boolean(page.filter.status || page.filter.name);
    const isUnused = total === 0 && !page.isLoading;
    drop.setBig(isUnused);
    card.hidden = isUnused || (total === null && !page.error && page.isLoading);
    for (const [status, { element, count }] of tabs) {
      element.setAttribute("aria-pressed", String(page.filter.status === status));
      const shown = status ? page.counts?.[status] : total;
      setText(count, shown === null || shown === undefined ? "" : number(shown));
    }
    live.hidden = page.live !== "reconnecting";
    drawTrouble();
    drawRows();
    list.setAttribute("aria-busy", String(page.isLoading));
    empty.hidden = page.isLoading || page.jobs.length > 0 || Boolean(page.error);
    replace(empty, svgIcon("search"), h("p", {}, t(isFiltered ? "list.no_match" : "list.empty")));
    all.checked = page.jobs.length > 0 && page.jobs.every(({ id }) => selected.has(id));
    all.disabled = !page.jobs.length;
    bar.draw();
    previous.disabled = !page.hasPrevious;
    next.disabled = !page.hasNext;
    pager.hidden = !page.hasPrevious && !page.hasNext;
    setText(place, t("list.page", { page: page.number }));
  }

  function drawTrouble() {
    trouble.hidden = !page.error || page.error.code === "offline"; // the banner tells that
    if (!trouble.hidden) {
      replace(trouble, h("div", { class: "notice danger", role: "alert" }, svgIcon("error"),
        h("span", { class: "grow" }, page.error.message),
        h("button", { type: "button", on: { click: () => page.load() } }, t("retry"))));
    }
  }

  function drawRows() {
    const ids = new Set(page.jobs.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    page.jobs.forEach((job, index) => {
      const row = rows.get(job.id) ?? jobRow(job, { onSelect: (isSelected) => select(job.id, isSelected), onAction: act });
      rows.set(job.id, row);
      row.draw(job, { text: page.snippets.get(job.id), isSelected: selected.has(job.id) });
      // Moving a row would take the focus from it, so only rows that are elsewhere move.
      if (list.children[index] !== row.element) list.insertBefore(row.element, list.children[index] ?? null);
    });
  }

  function select(id, isSelected) {
    if (isSelected) selected.set(id, page.jobs.find((job) => job.id === id));
    else selected.delete(id);
    if (!isSelected) bar.narrow();
    draw();
  }

  return () => {
    clearTimeout(typing);
    page.dispose();
    drop.dispose();
    bar.dispose();
  };
}
