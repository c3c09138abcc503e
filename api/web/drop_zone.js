/** Where recordings are dropped or chosen, and what is uploaded now. */

import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { inList, inTransfer } from "./dropped_files.js";
import { submissionOptions } from "./submission_options.js";
import { language, percent, t } from "./text.js";
import { add, allUploads, cancel, cancelAll, clearFinished, onUploads, retry, summary } from "./uploads.js";

const ROWS = 60;

/**
 * @param {{announce: (message: string) => void}} tools
 * @returns {{element: HTMLElement, setBig: (isBig: boolean) => void, dispose: () => void}}
 */
export function dropZone({ announce }) {
  const options = submissionOptions();
  const files = fileInput({ multiple: true });
  const folder = fileInput({ webkitdirectory: true });
  const icon = h("div", { class: "drop-icon" }, svgIcon("upload"));
  const zone = h(
    "section",
    { class: "drop", "aria-label": t("drop.label") },
    icon,
    h("div", {}, h("h2", {}, t("drop.title")), h("p", { class: "muted" }, t("drop.hint"))),
    h(
      "div",
      { class: "row" },
      iconButton("file", t("drop.files"), { class: "primary", on: { click: () => files.click() } }),
      iconButton("folder", t("drop.folder"), { on: { click: () => folder.click() } }),
    ),
    files,
    folder,
    options.element,
  );
  const panel = uploadPanel();

  function take({ files: found, skipped }) {
    if (found.length) {
      add(found, options.values());
      announce(t("drop.added", { n: found.length }) + (skipped ? ` ${t("drop.skipped", { n: skipped })}` : ""));
    } else {
      announce(t("drop.none"));
    }
  }

  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      if (input.files.length) take(inList(input.files));
      input.value = "";
    });
  }
  const stop = acceptDrops(zone, take);
  return {
    element: h("div", { class: "stack" }, zone, panel.element),
    setBig(isBig) {
      zone.classList.toggle("big", isBig);
      icon.hidden = !isBig;
    },
    dispose() {
      stop();
      panel.dispose();
    },
  };
}

function fileInput(props) {
  return h("input", { type: "file", hidden: true, tabIndex: -1, "aria-hidden": "true", ...props });
}

/** Accept files dropped anywhere on the page: a browser would open one that misses a small target. */
function acceptDrops(zone, take) {
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = () => zone.classList.toggle("over", depth > 0);
  const handlers = {
    dragenter(event) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      show();
    },
    dragover(event) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    },
    dragleave(event) {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      show();
    },
    drop(event) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      show();
      inTransfer(event.dataTransfer).then(take);
    },
  };
  for (const [name, handler] of Object.entries(handlers)) document.addEventListener(name, handler);
  return () => {
    for (const [name, handler] of Object.entries(handlers)) document.removeEventListener(name, handler);
  };
}

function uploadPanel() {
  const headline = h("strong", { class: "grow", "aria-live": "polite" });
  const bar = h("progress", { max: 1, "aria-label": t("uploads.progress") });
  const list = h("ul", { class: "uploads-list", tabIndex: 0, "aria-label": t("uploads.list") });
  const more = h("p", { class: "muted small" });
  const stop = h("button", { type: "button", on: { click: cancelAll } }, t("uploads.cancel_all"));
  const hide = h("button", { type: "button", on: { click: clearFinished } }, t("uploads.clear"));
  const element = h("section", { class: "card stack", "aria-label": t("uploads.title"), hidden: true },
    h("div", { class: "row" }, headline, stop, hide), bar, list, more);
  const rows = new Map();

  function draw() {
    const now = summary();
    element.hidden = !now.all;
    if (!now.all) return;
    stop.hidden = !now.active;
    hide.hidden = now.active > 0;
    bar.hidden = !now.active;
    bar.value = now.progress;
    setText(headline, now.active
      ? t("uploads.active", { done: now.done, all: now.all, percent: percent(now.progress) })
      : now.failed ? t("uploads.failed", { n: now.failed }) : t("uploads.done", { n: now.done }));
    const open = allUploads().filter(({ state }) => state !== "done" && state !== "cancelled");
    const first = ["failed", "sending", "pausing", "waiting"];
    open.sort((one, other) => first.indexOf(one.state) - first.indexOf(other.state) || one.id - other.id);
    const shown = open.slice(0, ROWS);
    for (const [upload] of rows) if (!shown.includes(upload)) rows.delete(upload);
    const nodes = shown.map((upload) => {
      const row = rows.get(upload) ?? uploadRow(upload);
      rows.set(upload, row);
      row.draw();
      return row.element;
    });
    if (nodes.length !== list.children.length || nodes.some((node, index) => list.children[index] !== node)) {
      replace(list, nodes);
    }
    list.hidden = !shown.length;
    setText(more, open.length > ROWS ? t("uploads.more", { n: open.length - ROWS }) : "");
    more.hidden = open.length <= ROWS;
  }

  const remove = onUploads(draw);
  draw();
  return { element, dispose: remove };
}

function uploadRow(upload) {
  const name = h("span", { class: "name", title: upload.name }, upload.name);
  const state = h("span", { class: "muted small" });
  const bar = h("progress", { max: 1, "aria-label": upload.name });
  const error = h("span", { class: "error small" });
  const again = iconButton("retry", t("uploads.retry", { name: upload.name }),
    { visible: false, class: "quiet square", on: { click: () => retry(upload) } });
  const stop = iconButton("close", t("uploads.cancel", { name: upload.name }),
    { visible: false, class: "quiet square", on: { click: () => cancel(upload) } });
  const element = h("li", { lang: language() }, name, h("span", {}, state, bar), h("span", {}, again, stop), error);
  return {
    element,
    draw() {
      const isSending = upload.state === "sending";
      bar.hidden = !isSending;
      state.hidden = isSending;
      if (isSending) bar.value = upload.file.size ? upload.sent / upload.file.size : 0;
      setText(state, t(`uploads.state.${upload.state}`));
      setText(error, upload.error ?? "");
      error.hidden = !upload.error;
      again.hidden = upload.state !== "failed";
    },
  };
}
