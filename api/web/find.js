/** Finding words in the text. */

import { h, iconButton, setText, svgIcon } from "./dom.js";
import { number, t } from "./text.js";

const TYPING = 150;

/**
 * Find a text in the words of a document: also over the border of words, not of segments.
 * @param {import("./transcript_document.js").TranscriptDocument} transcript
 * @returns {{segment: number, word: number, words: number}[]} where it begins, and over how many words it goes
 */
export function findIn(transcript, wanted) {
  const text = wanted.normalize("NFC").trim().replace(/\s+/gu, " ").toLowerCase();
  const hits = [];
  if (!text) return hits;
  transcript.segments.forEach(({ words }, segment) => {
    const starts = [];
    let line = "";
    for (const { text: one } of words) {
      starts.push(line.length);
      line += `${one.normalize("NFC").toLowerCase()} `;
    }
    for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + text.length)) {
      const word = wordAt(starts, at);
      hits.push({ segment, word, words: wordAt(starts, at + text.length - 1) - word + 1 });
    }
  });
  return hits;
}

/**
 * @param {import("./transcript_document.js").TranscriptDocument} transcript
 * @param {any} words view
 */
export function findBar(transcript, words) {
  const input = h("input", { type: "search", "aria-label": t("find.label"), placeholder: t("find.label"), lang: "hi", on: { input: typed, keydown: press } });
  const count = h("span", { class: "muted small count", role: "status" });
  const previous = iconButton("up", t("find.previous"), { visible: false, class: "quiet square", on: { click: () => go(-1) } });
  const next = iconButton("down", t("find.next"), { visible: false, class: "quiet square", on: { click: () => go(1) } });
  const element = h("div", { class: "find", role: "search" }, h("div", { class: "search" }, svgIcon("search"), input), count, previous, next);
  let hits = [];
  let current = -1;
  let marked = [];
  let typing = 0;

  function typed() {
    clearTimeout(typing);
    typing = setTimeout(() => {
      search();
      if (hits.length) go(1);
    }, TYPING);
  }

  function search() {
    mark(false);
    hits = findIn(transcript, input.value);
    current = -1;
    mark(true);
    draw();
  }

  function mark(isHit) {
    for (const element of marked) element.classList.remove("hit", "hit-now");
    marked = isHit ? hits.flatMap(elementsOf).filter(Boolean) : [];
    for (const element of marked) element.classList.add("hit");
  }

  function elementsOf(hit) {
    if (!hit) return [];
    return Array.from({ length: hit.words }, (_, index) => words.elementOf({ segment: hit.segment, word: hit.word + index }));
  }

  function go(step) {
    if (!hits.length) return;
    for (const element of elementsOf(hits[current])) element?.classList.remove("hit-now");
    current = (Math.max(current, step > 0 ? -1 : 0) + step + hits.length) % hits.length;
    for (const element of elementsOf(hits[current])) element?.classList.add("hit-now");
    words.scrollTo(hits[current]);
    draw();
  }

  function press(event) {
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && input.value) {
      const at = hits[current];
      input.value = "";
      search();
      words.focus(at ?? words.focused);
    } else return;
    event.preventDefault();
  }

  function draw() {
    if (!input.value.trim()) setText(count, "");
    else setText(count, hits.length ? `${number(current + 1)} / ${number(hits.length)}` : t("find.none"));
    previous.disabled = next.disabled = !hits.length;
  }

  draw();
  return {
    element,
    /** Look again after the text has changed. */
    refresh() {
      if (!input.value) return;
      const kept = current;
      search();
      current = Math.min(kept, hits.length - 1);
      draw();
    },
    dispose: () => clearTimeout(typing),
  };
}

function wordAt(starts, offset) {
  let at = starts.length - 1;
  while (at > 0 && starts[at] > offset) at -= 1;
  return at;
}
