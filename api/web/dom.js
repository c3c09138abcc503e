/** Building elements. No markup is ever parsed: everything that people named or said goes in as text. */

import { ICONS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element.
 * @param {string} tag
 * @param {Object<string, any>} [props] `class`, `dataset`, `style` (an object), `on` ({event: handler}), and any
 *   property or attribute. `null`, `undefined` and `false` leave an attribute out.
 * @param {...any} children nodes, texts, arrays of them; `null`, `undefined` and `false` are left out
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) setProp(element, name, value);
  append(element, children);
  return element;
}

/** Remove all children. */
export function clear(node) {
  node.replaceChildren();
}

/** Replace all children. */
export function replace(node, ...children) {
  node.replaceChildren();
  append(node, children);
}

/** Set the text of a node, if it is another: the same text must not be announced again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Create an icon, which screen readers skip. */
export function svgIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [attribute, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(attribute, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/** Create a button with an icon and, unless `props["aria-label"]` names it, a visible label. */
export function iconButton(icon, label, props = {}) {
  const { visible = true, ...rest } = props;
  const named = visible ? {} : { "aria-label": label, title: label };
  return h("button", { type: "button", ...named, ...rest }, svgIcon(icon), visible ? h("span", {}, label) : null);
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

function setProp(element, name, value) {
  if (name === "on") {
    for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
  } else if (name === "dataset" || name === "style") {
    for (const [key, one] of Object.entries(value)) {
      if (key.startsWith("--")) element.style.setProperty(key, one);
      else element[name][key] = one;
    }
  } else if (value === false && typeof element[name] === "boolean") {
    element[name] = false;
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else if (name === "class") {
    element.className = value;
  } else if (name in element && !name.includes("-") && typeof element[name] !== "function") {
    element[name] = value;
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}
