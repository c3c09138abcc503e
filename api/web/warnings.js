/** What is imperfect about the recording, with places that one can hear. */

import { h, svgIcon } from "./dom.js";
import { duration, has, t } from "./text.js";

const SHOWN = 12;

/**
 * @param {{code: string, message: string, spans: {start: number, end: number}[]}[]} warnings
 * @param {{seek: (seconds: number) => void}} player
 * @returns {HTMLElement|null}
 */
export function warningsList(warnings, player) {
  if (!warnings.length) return null;
  return h("section", { class: "notice warning warnings", "aria-label": t("warnings.label") }, svgIcon("warning"),
    h("ul", {}, warnings.map((warning) => h("li", {}, sentence(warning), " ", mark(warning), places(warning, player)))));
}

/** Return the spans of all warnings, to be drawn on the time line. */
export function spansOf(warnings) {
  return warnings.flatMap(({ spans }) => spans);
}

function sentence({ code, message }) {
  return has(`warnings.${code}`) ? t(`warnings.${code}`, { message }) : message;
}

/** Show how the places look on the time line. */
function mark({ spans }) {
  return spans.length ? h("span", { class: "span-mark", title: t("timeline.marked"), role: "img", "aria-label": t("timeline.marked") }) : null;
}

function places({ spans }, player) {
  const buttons = spans.slice(0, SHOWN).map(({ start, end }) => {
    const place = end - start >= 1 ? `${duration(start)} – ${duration(end)}` : duration(start);
    return h("button", { type: "button", class: "place", "aria-label": t("warnings.seek", { place }), on: { click: () => player.seek(start) } }, place);
  });
  const more = spans.length - SHOWN;
  return [buttons, more > 0 ? h("span", { class: "small" }, t("warnings.more", { n: more })) : null];
}
