/** A question before something that can't be undone. */

import { h } from "./dom.js";
import { t } from "./text.js";

/**
 * Ask a question.
 * @param {{title: string, text: string, yes: string}} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes }) {
  const dialog = h("dialog", { "aria-labelledby": "question", "aria-describedby": "question-text" },
    h("form", { method: "dialog" },
      h("h2", { id: "question" }, title),
      h("p", { id: "question-text" }, text),
      h("div", { class: "row" },
        h("button", { value: "no", autofocus: true }, t("cancel")),
        h("button", { value: "yes", class: "danger" }, yes))));
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
  });
}
