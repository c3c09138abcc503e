/** Asks for an API key where the service wants one. */

import { h, iconButton } from "./dom.js";
import { isRemembered, key, setKey } from "./keys.js";
import { t } from "./text.js";

let asking = null;
let isDeclined = false;

/**
 * Ask for a key. Requests that fail at the same time share one dialog.
 * @param {import("./api.js").ApiError|null} error why: `key_missing` or `key_invalid`
 * @param {boolean} quiet whether not to ask if the person has cancelled the last time
 * @returns {Promise<boolean>} whether there is a new key to try
 */
export function askForKey(error = null, quiet = false) {
  if (quiet && isDeclined && !asking) return Promise.resolve(false);
  asking ??= show(error).finally(() => {
    asking = null;
  });
  return asking;
}

/** The button that changes or forgets the key; null while there is none. */
export function keyButton() {
  if (!key()) return null;
  const props = { visible: false, class: "quiet square", on: { click: change } };
  return iconButton("key", t("key.change"), props);
}

async function change() {
  if (await askForKey()) tellTheViews();
}

function tellTheViews() {
  document.dispatchEvent(new CustomEvent("shrutlekh:key"));
}

function show(error) {
  const before = key();
  const field = h("input", {
    type: "password", name: "key", autocomplete: "current-password", spellcheck: false, required: true,
    // What a header can carry. Anything else would fail as if the service did not answer.
    pattern: "\\s*[\\x21-\\x7e]+\\s*", title: t("key.characters"),
    "aria-describedby": "key-message", value: "",
  });
  const remember = h("input", { type: "checkbox", checked: isRemembered() });
  const message = error?.code === "key_invalid" ? t("key.invalid") : t("key.explain");
  const isWrong = error?.code === "key_invalid";
  const forget = before ? h("button", { type: "button", class: "danger", value: "forget" }, t("key.forget")) : null;
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "key-title" }, t("key.title")),
    h("p", { id: "key-message", class: isWrong ? "notice danger" : "", role: isWrong ? "alert" : null }, message),
    h("label", { class: "field" }, h("span", {}, t("key.label")), field),
    h("label", { class: "check" }, remember, h("span", {}, t("key.remember"))),
    h("div", { class: "row" }, forget, h("span", { class: "grow" }),
      h("button", { type: "button", value: "cancel" }, t("cancel")),
      h("button", { class: "primary", type: "submit", value: "use" }, t("key.use"))),
  );
  const dialog = h("dialog", { "aria-labelledby": "key-title" }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    form.addEventListener("submit", () => {
      setKey(field.value, remember.checked);
      dialog.close("use");
    });
    form.addEventListener("click", ({ target }) => {
      const value = target.closest("button[type=button]")?.value;
      if (value === "forget") setKey("");
      if (value) dialog.close(value);
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      const used = dialog.returnValue === "use" || dialog.returnValue === "forget";
      isDeclined = !used;
      if (used && Boolean(before) !== Boolean(key())) setTimeout(tellTheViews);
      resolve(used);
    });
    dialog.showModal();
    field.focus();
  });
}
