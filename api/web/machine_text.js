/** What the machine wrote, to compare a person's words with. */

export class MachineText {
  #known = new Set();
  #segments;

  /** @param {import("./transcript_document.js").Segment[]} segments */
  constructor(segments) {
    this.#segments = segments;
    for (const { channel, words } of segments) for (const word of words) this.#known.add(identity(channel, word));
  }

  /** Whether a person typed a word. */
  isTyped(channel, word) {
    return word.confidence === null && !this.#known.has(identity(channel, word));
  }

  /** Return the machine's words between two times of a channel. */
  between(channel, start, end) {
    const words = [];
    for (const segment of this.#segments) {
      if (segment.start >= end) break;
      if (segment.channel !== channel || segment.end <= start) continue;
      for (const word of segment.words) {
        const middle = (word.start + word.end) / 2;
        if ((word.start < end && middle > start && middle < end) || (middle <= start && word.end > end)) words.push(word.text);
        else if (word.start <= start && word.end >= end) words.push(word.text);
      }
    }
    return words.join(" ");
  }
}

function identity(channel, { text, start }) {
  return `${channel} ${start} ${text}`;
}
