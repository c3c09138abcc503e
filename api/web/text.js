/** The words of the page, in the person's language. */

import en from "./strings/en.js";
import hi from "./strings/hi.js";

const LANGUAGES = { en, hi };
const KEPT = "shrutlekh.language";

let current = kept() ?? (preferred().startsWith("hi") ? "hi" : "en");
let plurals = new Intl.PluralRules(current);

/** @returns {"hi"|"en"} */
export function language() {
  return current;
}

/**
 * Choose the language and remember it. Whoever shows text must draw it again.
 * @param {"hi"|"en"} name
 */
export function setLanguage(name) {
  current = name in LANGUAGES ? name : "en";
  plurals = new Intl.PluralRules(current);
  document.documentElement.lang = current;
  try {
    localStorage.setItem(KEPT, current);
  } catch {
    // A browser may forbid storage. The choice then lasts until the page is closed.
  }
}

/**
 * Return a text. `{name}` in it is replaced with a value; a number `n` chooses between `KEY.one` and `KEY.other`.
 * @param {string} key
 * @param {Object<string, string|number>} [values]
 */
export function t(key, values = {}) {
  const table = LANGUAGES[current];
  const plural = typeof values.n === "number" ? `${key}.${plurals.select(values.n) === "one" ? "one" : "other"}` : key;
  const text = table[plural] ?? table[key] ?? en[plural] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? formatted(values[name]) : whole));
}

/** Whether there is a text for a key: codes of the service may be newer than the page. */
export function has(key) {
  return key in en;
}

/** Format a number. */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

/** Format a share of 1 as a percentage. */
export function percent(share, digits = 0) {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** Format a number of bytes. */
export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit: units[power],
    maximumFractionDigits: power > 1 ? 1 : 0,
  }).format(bytes / 1000 ** power);
}

/** Format seconds of audio as 0:05, 12:34 or 1:02:03. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

/** Format a moment: the time today, else the date and the time. */
export function moment(iso) {
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  const shape = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(locale(), shape).format(at);
}

function locale() {
  return current === "hi" ? "hi-IN-u-nu-latn" : "en-IN";
}

function formatted(value) {
  return typeof value === "number" ? number(value) : value;
}

function kept() {
  try {
    const name = localStorage.getItem(KEPT);
    return name in LANGUAGES ? name : null;
  } catch {
    return null;
  }
}

function preferred() {
  return (navigator.languages?.[0] ?? navigator.language ?? "en").toLowerCase();
}

document.documentElement.lang = current;
