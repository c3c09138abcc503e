/** The API key: kept until the tab is closed or, if the person wants it, on this device. */

const KEPT = "shrutlekh.key";

let current = read();

/** @returns {string} the key; empty without one */
export function key() {
  return current;
}

/** Whether the key is kept on this device. */
export function isRemembered() {
  return stored(() => localStorage.getItem(KEPT)) !== null;
}

/**
 * Use a key from now on. Empty forgets it.
 * @param {string} value
 * @param {boolean} remember whether to keep it on this device beyond this tab
 */
export function setKey(value, remember = false) {
  current = value.trim();
  stored(() => sessionStorage.removeItem(KEPT));
  stored(() => localStorage.removeItem(KEPT));
  if (current) stored(() => (remember ? localStorage : sessionStorage).setItem(KEPT, current));
}

function read() {
  return stored(() => sessionStorage.getItem(KEPT) ?? localStorage.getItem(KEPT)) ?? "";
}

// A browser may forbid storage. The key then lasts until the page is closed.
function stored(access) {
  try {
    return access();
  } catch {
    return null;
  }
}
