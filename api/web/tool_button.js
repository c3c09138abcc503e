/** Small buttons with an icon alone. */

import { iconButton } from "./dom.js";

/**
 * Create a button with an icon, which screen readers and a tooltip name.
 * @param {string} icon
 * @param {string} label
 * @param {(event: Event) => void} onClick
 * @param {Object<string, any>} [props]
 */
export function toolButton(icon, label, onClick, props = {}) {
  return iconButton(icon, label, { visible: false, class: "quiet square", on: { click: onClick }, ...props });
}
