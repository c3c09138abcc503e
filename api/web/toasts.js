/** Short messages: shown for a while in a corner, and spoken by screen readers. */

import { h } from "./dom.js";

const SECONDS = 7;
const MOST = 2;
const polite = h("div", { class: "toasts", role: "status", "aria-live": "polite", dataset: { testid: "toasts" } });
const spoken = h("div", { class: "visually-hidden", "aria-live": "polite" });

/** The elements that hold the messages. They outlive every view. */
export function liveRegions() {
  return [polite, spoken];
}

/**
 * Show a message.
 * @param {string} message
 * @param {{action?: {label: string, run: () => void}, visible?: boolean}} [options] `visible: false` is only spoken
 */
export function announce(message, { action = null, visible = true } = {}) {
  if (!visible) {
    spoken.textContent = message;
    return;
  }
  const toast = h("div", { class: "toast" }, h("span", { class: "grow" }, message));
  const remove = () => toast.remove();
  if (action) {
    const run = () => {
      remove();
      action.run();
    };
    toast.append(h("button", { type: "button", on: { click: run } }, action.label));
  }
  polite.append(toast);
  while (polite.children.length > MOST) polite.firstChild.remove();
  setTimeout(remove, SECONDS * 1000);
}
