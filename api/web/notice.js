/** Notices, with a way out. */

import { h, svgIcon } from "./dom.js";
import { t } from "./text.js";

/**
 * Create a notice.
 * @param {"info"|"warning"|"danger"} kind
 * @param {string} message
 * @param {{retry?: () => void, role?: string}} [options] `retry` adds a button that tries again
 */
export function notice(kind, message, { retry = null, role = null } = {}) {
  return h("div", { class: `notice ${kind}`, role }, svgIcon(kind === "danger" ? "error" : "warning"),
    h("span", { class: "grow" }, message),
    retry ? h("button", { type: "button", on: { click: retry } }, t("retry")) : null);
}
