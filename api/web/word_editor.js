/** The field in which a word is typed, in the place of the word. */

import { h } from "./dom.js";
import { t } from "./text.js";

/**
 * Open a field for the word of a segment. Backspace at its start takes in the word before, Delete at its end the one
 * after.
 * @param {HTMLElement} segment element that holds a child for each word
 * @param {number} word its index
 * @param {{onDone: (from: number, to: number, text: string, then: 0|1|-1) => void, onCancel: () => void,
 *   onHear: (from: number, to: number) => void}} events  `then` tells which word the person wants to type next
 */
export function openWordEditor(segment, word, { onDone, onCancel, onHear }) {
  const words = [...segment.children];
  const texts = words.map((element) => (element.classList.contains("emptied") ? "" : element.textContent));
  let from = word;
  let to = word + 1;
  let isOver = false;
  const input = h("input", { type: "text", class: "word-input", lang: "hi", value: texts[word], autocomplete: "off", spellcheck: false,
    autocapitalize: "off", enterKeyHint: "done", "aria-label": texts[word] ? t("edit.word", { text: texts[word] }) : t("edit.new_word"),
    "aria-describedby": "edit-hint", on: { keydown: press, input: fit, blur: () => finish(0) } });

  words[word].replaceWith(input);
  fit();
  input.focus({ preventScroll: true });
  input.select();
  input.scrollIntoView({ block: "nearest" });

  function finish(then) {
    if (isOver) return;
    isOver = true;
    onDone(from, to, input.value, then);
  }

  function cancel() {
    isOver = true;
    onCancel();
  }

  function press(event) {
    event.stopPropagation();
    const isAt = (place) => input.selectionStart === place && input.selectionEnd === place;
    if (event.isComposing) return;
    if (event.key === "Enter" && event.ctrlKey) onHear(from, to);
    else if (event.key === "Enter") finish(0);
    else if (event.key === "Escape") cancel();
    else if (event.key === "Tab") finish(event.shiftKey ? -1 : 1);
    else if (event.key === "Backspace" && isAt(0) && from > 0) join(from - 1);
    else if (event.key === "Delete" && isAt(input.value.length) && to < words.length) join(to);
    else return;
    event.preventDefault();
  }

  function join(other) {
    const caret = other < from ? texts[other].length : input.value.length;
    input.value = other < from ? texts[other] + input.value : input.value + texts[other];
    from = Math.min(from, other);
    to = Math.max(to, other + 1);
    words[other].remove();
    input.setSelectionRange(caret, caret);
    fit();
  }

  function fit() {
    input.style.width = `calc(${Math.max(3, [...input.value].length + 2)} * 0.68em + 0.6em)`;
  }
}
