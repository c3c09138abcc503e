/** What became of the corrections: a quiet word while all is well, a notice with a way out else. */

import { h, replace, setText, svgIcon } from "./dom.js";
import { t } from "./text.js";

/**
 * @param {import("./saving.js").Saving} saving
 * @param {{announce: (message: string, options?: any) => void, onTheirs: () => void, onMine: () => void}} events
 * @returns {{word: HTMLElement, notice: HTMLElement}}
 */
export function saveState(saving, { announce, onTheirs, onMine }) {
  const word = h("span", { class: "save-state muted small", dataset: { testid: "save-state" } });
  const notice = h("div", { role: "alert" });
  let before = "";

  function draw() {
    const { state, error } = saving;
    const shown = state === "waiting" && before === "saved" ? "waiting" : state;
    setText(word, shown === "clean" ? "" : t(`save.${shown}`));
    if (state === "saved" && before !== "saved") announce(t("save.saved"), { visible: false });
    before = state;
    if (state === "failed") {
      replace(notice, h("div", { class: "notice danger" }, svgIcon("error"),
        h("span", { class: "grow" }, t("save.not_saved", { message: error.message })),
        h("button", { type: "button", on: { click: () => saving.flush() } }, t("retry"))));
    } else if (state === "conflict") {
      replace(notice, h("div", { class: "notice warning" }, svgIcon("warning"),
        h("div", { class: "grow stack" }, h("span", {}, t("save.conflict.explain")),
          h("div", { class: "row" },
            h("button", { type: "button", on: { click: onTheirs } }, t("save.theirs")),
            h("button", { type: "button", on: { click: onMine } }, t("save.mine"))))));
    } else if (state !== "saving" && notice.firstChild) {
      replace(notice);
    }
  }

  saving.addEventListener("state", draw);
  draw();
  return { word, notice };
}
