/** The text: paragraphs of words that one hears by a click. The words that are spoken are marked. */

import { h, replace } from "./dom.js";
import { isSame } from "./transcript_document.js";
import { duration, percent, t } from "./text.js";

/** Words below it are more likely wrong than right. */
export const LOW = 0.5;
/** Two thirds of the words are above it, and nine in ten of those are right (docs/decoding.md). */
export const HIGH = 0.8;

// Paragraphs as in a transcript's txt (docs/formats.md).
const PAUSE = 2;
const SHORT_PAUSE = 0.5;
const LONG = 60;
// The text does not run after the play head just after a person has scrolled.
const PATIENCE = 4000;

/** Whether a word should be checked against the sound. */
export function isUnsure({ confidence }) {
  return confidence !== null && confidence < HIGH;
}

/**
 * @param {import("./transcript_document.js").TranscriptDocument} transcript
 * @param {import("./machine_text.js").MachineText} machine
 * @param {{onHear: (position: any) => void, onEdit: (position: any) => void,
 *   onKey: (event: KeyboardEvent, position: any) => boolean}} events  `onKey` returns whether it has handled the key
 */
export function wordsView(transcript, machine, { onHear, onEdit, onKey }) {
  const props = { class: "words", role: "group", "aria-label": t("words.label"), dataset: { testid: "words" } };
  const element = h("div", { ...props, lang: "hi" });
  const segments = [];
  const spans = new WeakMap();
  let spoken = [];
  let lit = [];
  let focused = null;
  let scrolledAt = -Infinity;
  let follows = true;

  function build() {
    const { segments: all } = transcript;
    const hasChannels = all.some(({ channel }) => channel !== null);
    replace(element, paragraphs(all).map((indexes) => paragraph(indexes, hasChannels)));
    setFocusable(transcript.first());
  }

  function paragraph(indexes, hasChannels) {
    const { start, channel } = transcript.segments[indexes[0]];
    const text = h("p", {});
    for (const index of indexes) {
      segments[index] = h("span", { class: "segment", dataset: { segment: index } });
      fill(index);
      text.append(segments[index], " ");
    }
    const at = h("span", { class: "at", dataset: { seconds: start } }, duration(start));
    const { lang } = document.documentElement;
    const label = hasChannels ? h("span", { class: "channel", lang }, t("words.channel", { channel })) : null;
    return h("div", { class: "paragraph" }, h("div", { class: "gutter" }, at, label), text);
  }

  /** Bring the elements of a segment up to date. Those that stay are not touched: a click may be under way on them. */
  function fill(index) {
    const segment = segments[index];
    const { channel, words } = transcript.segments[index];
    const wanted = words.length ? words.map((word) => spanOf(channel, word)) : [emptied()];
    const present = [...segment.children];
    const least = Math.min(wanted.length, present.length);
    let start = 0;
    while (start < least && present[start] === wanted[start]) start += 1;
    let end = 0;
    while (end < least - start && present.at(-1 - end) === wanted.at(-1 - end)) end += 1;
    const after = end ? present.at(-end) : null;
    for (let node = start ? present[start - 1].nextSibling : segment.firstChild; node && node !== after; ) {
      const next = node.nextSibling;
      node.remove();
      node = next;
    }
    const added = wanted.slice(start, wanted.length - end);
    const nodes = added.flatMap((span, at) => (at || start ? [" ", span] : [span]));
    if (after && start + added.length) nodes.push(" ");
    if (after) after.before(...nodes);
    else segment.append(...nodes);
  }

  function spanOf(channel, word) {
    let span = spans.get(word);
    if (!span) {
      span = document.createElement("span");
      span.className = classOf(channel, word);
      span.textContent = word.text;
      spans.set(word, span);
    }
    return span;
  }

  function emptied() {
    return h("span", { class: "word emptied", lang: document.documentElement.lang }, t("words.emptied"));
  }

  function classOf(channel, word) {
    if (machine.isTyped(channel, word)) return "word typed";
    if (word.confidence === null || word.confidence >= HIGH) return "word";
    return word.confidence < LOW ? "word low" : "word mid";
  }

  function elementOf(position) {
    return position ? segments[position.segment]?.children[position.word] : undefined;
  }

  function positionOf(target) {
    const word = target.closest?.(".word");
    if (!word) return null;
    const segment = word.parentElement;
    return { segment: Number(segment.dataset.segment), word: [...segment.children].indexOf(word) };
  }

  /** What to tell about a word besides its text. */
  function remarkOn(position) {
    const word = transcript.wordAt(position);
    if (!word) return "";
    const { channel } = transcript.segments[position.segment];
    if (machine.isTyped(channel, word)) {
      const before = machine.between(channel, word.start, word.end);
      return before ? t("words.machine", { text: before }) : t("words.added");
    }
    if (word.confidence === null) return "";
    const values = { percent: percent(word.confidence) };
    return isUnsure(word) ? t("words.unsure", values) : t("words.sure", values);
  }

  /** The tab key reaches one word, and the arrow keys move on from it. Screen readers tell of that one as a button. */
  function setFocusable(position) {
    const before = elementOf(focused);
    for (const name of ["tabindex", "role", "aria-label"]) before?.removeAttribute(name);
    focused = position;
    const word = elementOf(position);
    if (!word) return;
    const { start } = transcript.wordAt(position) ?? transcript.segments[position.segment];
    word.tabIndex = 0;
    word.setAttribute("role", "button");
    word.setAttribute("aria-label", [word.textContent, duration(start), remarkOn(position)].filter(Boolean).join(", "));
  }

  function focus(position) {
    if (!position) return;
    setFocusable(position);
    const word = elementOf(position);
    word?.focus({ preventScroll: true });
    lookAt(word);
  }

  /** Scroll to a word that the person wants to see. */
  function lookAt(word) {
    scrolled();
    scrollTo(word);
  }

  function scrollTo(word) {
    word?.scrollIntoView({ block: "center", behavior: "auto" });
  }

  function scrolled() {
    scrolledAt = performance.now();
  }

  function showTime(seconds, isPlaying) {
    const now = transcript.spokenAt(seconds);
    if (now.length === spoken.length && now.every((position, index) => isSame(position, spoken[index]))) return;
    for (const word of lit) word.classList.remove("now");
    lit = now.map(elementOf).filter(Boolean);
    for (const word of lit) word.classList.add("now");
    spoken = now;
    if (now.length && isPlaying && follows && performance.now() - scrolledAt > PATIENCE) keepInSight(elementOf(now[0]));
  }

  function keepInSight(word) {
    const { top, bottom } = word.getBoundingClientRect();
    const deck = document.querySelector(".deck")?.getBoundingClientRect().bottom ?? 0;
    if (top < deck + 8 || bottom > innerHeight - 24) scrollTo(word);
  }

  function pressKey(event) {
    const position = positionOf(event.target);
    if (!position || event.target.closest("input") || onKey(event, position)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowRight") focus(transcript.next(position, 1));
    else if (event.key === "ArrowLeft") focus(transcript.next(position, -1));
    else if (event.key === "ArrowDown") focus(lineFrom(position, 1));
    else if (event.key === "ArrowUp") focus(lineFrom(position, -1));
    else if (event.key === "Home") focus(transcript.next({ segment: position.segment, word: -1 }, 1));
    else if (event.key === "End") focus(transcript.next({ segment: position.segment + 1, word: 0 }, -1));
    else if (event.key === "Enter" || event.key === "F2") onEdit(position);
    else return;
    event.preventDefault();
  }

  /** Find the word above or below. */
  function lineFrom(position, step) {
    const here = elementOf(position).getBoundingClientRect();
    let best = null;
    let line = null;
    for (let at = transcript.next(position, step); at; at = transcript.next(at, step)) {
      const box = elementOf(at).getBoundingClientRect();
      if (step * (box.top - here.top) < here.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > box.height / 2) break;
      const distance = Math.abs(box.left - here.left);
      if (!best || distance < best.distance) best = { at, distance };
    }
    return best?.at ?? null;
  }

  // Ending a correction moves the words: a click that ends one must not miss the word that it was meant for.
  element.addEventListener("mousedown", (event) => {
    if (element.querySelector("input") && event.target.closest(".word, .at")) event.preventDefault();
  });
  element.addEventListener("click", (event) => {
    if (event.target.closest("input")) return;
    if (event.target.closest(".word, .at")) element.querySelector("input")?.blur();
    const position = positionOf(event.target);
    const { seconds } = event.target.dataset;
    if (position) {
      setFocusable(position);
      onHear(position);
    } else if (seconds) {
      onHear(transcript.begunAt(Number(seconds) + 0.001));
    }
  });
  element.addEventListener("dblclick", (event) => {
    const position = positionOf(event.target);
    if (position && !event.target.closest("input")) onEdit(position);
  });
  element.addEventListener("mouseover", (event) => {
    const position = positionOf(event.target);
    if (position && !event.target.title) event.target.title = remarkOn(position);
  });
  element.addEventListener("focusin", (event) => {
    const position = positionOf(event.target);
    if (position && !isSame(position, focused)) setFocusable(position);
  });
  element.addEventListener("keydown", pressKey);
  for (const name of ["wheel", "touchmove"]) document.addEventListener(name, scrolled, { passive: true });
  build();

  return {
    element,
    elementOf,
    focus,
    scrollTo: (position) => lookAt(elementOf(position)),
    showTime,
    get focused() {
      return focused;
    },
    /** Choose whether the text scrolls with the play head. */
    follow(does) {
      follows = does;
    },
    /** Draw a segment again after a change. */
    redraw(index) {
      const kept = focused?.segment === index ? focused : null;
      if (kept) setFocusable(null);
      fill(index);
      spoken = [];
      const last = Math.max(0, transcript.segments[index].words.length - 1);
      if (kept) setFocusable({ segment: index, word: Math.min(kept.word, last) });
    },
    dispose() {
      for (const name of ["wheel", "touchmove"]) document.removeEventListener(name, scrolled);
    },
  };
}

function paragraphs(segments) {
  const all = [];
  segments.forEach(({ start, channel }, index) => {
    const current = all.at(-1);
    const before = segments[index - 1];
    const pause = before ? start - before.end : 0;
    const isLong = current && before.end - segments[current[0]].start >= LONG;
    if (!current || channel !== before.channel || pause >= PAUSE || (isLong && pause >= SHORT_PAUSE)) all.push([index]);
    else current.push(index);
  });
  return all;
}
