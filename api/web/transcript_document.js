/** The words of a transcript, where they are in time, and changes to them that can be undone. */

const LONGEST_WORD = 200;
// Joiners decide how Devanagari letters combine. Other invisible characters have no place in a word.
const INVISIBLE = /(?![\u200c\u200d])\p{C}/gu;
const JOINERS_ONLY = /^[\u200c\u200d]*$/;

/**
 * @typedef {{text: string, start: number, end: number, confidence: number|null}} Word  times in seconds; a person's
 *   word has no confidence
 * @typedef {{start: number, end: number, channel: number|null, words: Word[]}} Segment
 * @typedef {{segment: number, word: number}} Position
 */

/** Split what a person typed into words as the service accepts them. */
export function typedWords(text) {
  return text
    .normalize("NFC")
    .split(/\s+/u)
    .map((word) => [...word.replace(INVISIBLE, "")].slice(0, LONGEST_WORD).join(""))
    .filter((word) => !JOINERS_ONLY.test(word));
}

/** Whether two positions are the same. */
export function isSame(one, other) {
  return one?.segment === other?.segment && one?.word === other?.word;
}

export class TranscriptDocument {
  #done = [];
  #undone = [];
  #channels = [];

  /** @param {Segment[]} segments */
  constructor(segments) {
    this.segments = segments.map(({ start, end, channel, words }) => ({ start, end, channel, words: [...words] }));
    this.#index();
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** @returns {Word|undefined} */
  wordAt({ segment, word }) {
    return this.segments[segment]?.words[word];
  }

  /**
   * Replace the words `from` to `to` (exclusive) of a segment with what a person typed. Several words divide the time
   * by their lengths; no word deletes.
   * @returns {boolean} whether anything changed
   */
  retype(segment, from, to, text) {
    const before = this.segments[segment].words;
    const old = before.slice(from, to);
    const typed = typedWords(text);
    if (typed.join(" ") === old.map((word) => word.text).join(" ")) return false;
    const { start, end } = this.segments[segment];
    const span = old.length ? { start: old[0].start, end: old.at(-1).end } : { start, end };
    this.#apply({ segment, before, after: [...before.slice(0, from), ...divided(span, typed), ...before.slice(to)] });
    return true;
  }

  /** Undo the last change. Returns the segment that it changed, or null. */
  undo() {
    const change = this.#done.pop();
    if (!change) return null;
    this.#undone.push(change);
    return this.#set(change.segment, change.before);
  }

  /** Make the change again that was undone last. Returns the segment that it changed, or null. */
  redo() {
    const change = this.#undone.pop();
    if (!change) return null;
    this.#done.push(change);
    return this.#set(change.segment, change.after);
  }

  /** Return the positions of the words spoken at a time: at most one of each channel. */
  spokenAt(seconds) {
    const spoken = [];
    for (const { starts, positions } of this.#channels) {
      const at = lastNotAfter(starts, seconds);
      if (at >= 0 && seconds < this.wordAt(positions[at]).end) spoken.push(positions[at]);
    }
    return spoken;
  }

  /** Return the words that overlap a part of the recording. */
  between(from, to) {
    const found = [];
    for (const { starts, positions } of this.#channels) {
      for (let at = Math.max(0, lastNotAfter(starts, from)); at < starts.length && starts[at] < to; at += 1) {
        found.push(this.wordAt(positions[at]));
      }
    }
    return found;
  }

  /** Return the position of the last word that has begun at a time, or the first word of all. */
  begunAt(seconds) {
    let best = null;
    for (const { starts, positions } of this.#channels) {
      const at = Math.max(0, lastNotAfter(starts, seconds));
      const isLater = best === null || (starts[at] <= seconds && starts[at] > this.wordAt(best).start);
      if (positions[at] && isLater) best = positions[at];
    }
    return best;
  }

  /**
   * Return the next position in reading order whose word passes a test, or null.
   * @param {Position} position
   * @param {1|-1} step
   * @param {(word: Word) => boolean} [test]
   */
  next({ segment, word }, step, test = () => true) {
    for (let at = segment, index = word + step; at >= 0 && at < this.segments.length; ) {
      const { words } = this.segments[at];
      for (; index >= 0 && index < words.length; index += step) {
        if (test(words[index])) return { segment: at, word: index };
      }
      at += step;
      index = step > 0 ? 0 : (this.segments[at]?.words.length ?? 0) - 1;
    }
    return null;
  }

  /** Return the first position, or null without words. */
  first() {
    return this.next({ segment: 0, word: -1 }, 1);
  }

  /** Count the words that pass a test. */
  count(test) {
    return this.segments.reduce((sum, { words }) => sum + words.filter(test).length, 0);
  }

  /** Return what the service saves: segments that have words. */
  saved() {
    return this.segments
      .filter(({ words }) => words.length)
      .map(({ start, end, channel, words }) => ({
        start,
        end,
        channel,
        words: words.map(({ text, start, end, confidence }) => ({ text, start, end, confidence })),
      }));
  }

  #apply(change) {
    this.#done.push(change);
    this.#undone = [];
    this.#set(change.segment, change.after);
  }

  #set(segment, words) {
    this.segments[segment].words = words;
    this.#index();
    return segment;
  }

  #index() {
    const channels = new Map();
    this.segments.forEach(({ channel, words }, segment) => {
      if (!channels.has(channel)) channels.set(channel, { starts: [], positions: [] });
      const { starts, positions } = channels.get(channel);
      words.forEach(({ start }, word) => {
        starts.push(start);
        positions.push({ segment, word });
      });
    });
    this.#channels = [...channels.values()];
  }
}

function divided({ start, end }, texts) {
  const lengths = texts.map((text) => [...text].length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  let passed = 0;
  const time = () => Math.round((start + ((end - start) * passed) / all) * 1000) / 1000;
  return texts.map((text, index) => {
    const from = time();
    passed += lengths[index];
    return { text, start: index ? from : start, end: index === texts.length - 1 ? end : time(), confidence: null };
  });
}

function lastNotAfter(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
