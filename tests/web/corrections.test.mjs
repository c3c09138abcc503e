// What happens to words when a person corrects them. Run by test_corrections.py with Node's own test runner.

import assert from "node:assert/strict";
import { test } from "node:test";

const web = new URL("../../api/web/", import.meta.url);
// Modules for a browser, of which these need nothing but the words of the page.
globalThis.document = { documentElement: { dataset: {} } };
globalThis.location = { href: "http://127.0.0.1/" };
const { TranscriptDocument, typedWords } = await import(new URL("transcript_document.js", web));
const { MachineText } = await import(new URL("machine_text.js", web));
const { findIn } = await import(new URL("find.js", web));
const { Saving, tagOf } = await import(new URL("saving.js", web));

const word = (text, start, end, confidence = 0.9) => ({ text, start, end, confidence });
const SEGMENTS = [
  { start: 0, end: 2, channel: null, words: [word("आज", 0, 0.4), word("शाम", 0.4, 1, 0.3), word("तक", 1, 2)] },
  { start: 3, end: 5, channel: null, words: [word("बारिश", 3, 4), word("होगी", 4, 5)] },
];
const texts = (transcript) => transcript.segments.map(({ words }) => words.map(({ text }) => text).join(" "));

test("typed text is split at spaces and keeps joiners, but no other invisible characters", () => {
  assert.deepEqual(typedWords("  क्\u200dष \u200d\t दो\u202e\u0000 "), ["क्\u200dष", "दो"]);
  assert.deepEqual(typedWords("क\u093c"), ["क\u093c".normalize("NFC")]);
  assert.equal([...typedWords("क".repeat(500))[0]].length, 200);
});

test("several words divide the time of one by their lengths", () => {
  const transcript = new TranscriptDocument(SEGMENTS);
  assert.ok(transcript.retype(0, 1, 2, "कख गघङच"));
  assert.deepEqual(transcript.segments[0].words.slice(1, 3), [word("कख", 0.4, 0.6, null), word("गघङच", 0.6, 1, null)]);
});

test("an empty text deletes, and segments without words are not saved", () => {
  const transcript = new TranscriptDocument(SEGMENTS);
  assert.ok(transcript.retype(1, 0, 2, " "));
  assert.deepEqual(texts(transcript), ["आज शाम तक", ""]);
  assert.equal(transcript.saved().length, 1);
  assert.ok(transcript.retype(1, 0, 0, "फिर से"));
  assert.deepEqual(transcript.segments[1].words.map(({ start, end }) => [start, end]), [[3, 4.2], [4.2, 5]]);
});

test("the same text is no change", () => {
  const transcript = new TranscriptDocument(SEGMENTS);
  assert.equal(transcript.retype(0, 0, 2, "आज  शाम"), false);
  assert.equal(transcript.canUndo, false);
});

test("changes are undone and made again, and a new one ends what can be made again", () => {
  const transcript = new TranscriptDocument(SEGMENTS);
  transcript.retype(0, 0, 1, "कल");
  transcript.retype(1, 1, 2, "");
  assert.equal(transcript.undo(), 1);
  assert.equal(transcript.undo(), 0);
  assert.equal(transcript.undo(), null);
  assert.deepEqual(transcript.saved(), SEGMENTS);
  assert.equal(transcript.redo(), 0);
  assert.deepEqual(texts(transcript), ["कल शाम तक", "बारिश होगी"]);
  transcript.retype(0, 2, 3, "को");
  assert.equal(transcript.canRedo, false);
});

test("words are found by time, also of channels that speak at once", () => {
  const other = { start: 0.5, end: 2, channel: 2, words: [word("हाँ", 0.5, 2)] };
  const transcript = new TranscriptDocument([{ ...SEGMENTS[0], channel: 1 }, other]);
  assert.equal(transcript.textAt(0.6), "शाम हाँ");
  assert.equal(transcript.textAt(2.5), "");
  assert.deepEqual(transcript.begunAt(1.7), { segment: 0, word: 2 });
  assert.deepEqual(transcript.between(0.9, 1.5).map((line) => line.map(({ text }) => text)), [["शाम", "तक"], ["हाँ"]]);
});

test("the next word is found over the borders of segments", () => {
  const transcript = new TranscriptDocument(SEGMENTS);
  assert.deepEqual(transcript.next({ segment: 0, word: 2 }, 1), { segment: 1, word: 0 });
  assert.deepEqual(transcript.next({ segment: 1, word: 0 }, -1), { segment: 0, word: 2 });
  assert.equal(transcript.next({ segment: 1, word: 1 }, 1), null);
  const isUnsure = ({ confidence }) => confidence < 0.8;
  assert.deepEqual(transcript.next({ segment: 1, word: 1 }, -1, isUnsure), { segment: 0, word: 1 });
});

test("a typed word is compared with what the machine wrote at its time", () => {
  const machine = new MachineText(SEGMENTS);
  assert.equal(machine.isTyped(null, word("शाम", 0.4, 1, null)), false);
  assert.equal(machine.isTyped(null, word("शामें", 0.4, 1, null)), true);
  assert.equal(machine.between(null, 0.4, 2), "शाम तक");
  assert.equal(machine.between(null, 0.5, 0.6), "शाम");
  assert.equal(machine.between(1, 0, 5), "");
});

test("a text is found over several words of a segment", () => {
  const transcript = new TranscriptDocument(SEGMENTS);
  assert.deepEqual(findIn(transcript, " शाम  त"), [{ segment: 0, word: 1, words: 2 }]);
  assert.deepEqual(findIn(transcript, "तक बारिश"), []);
  assert.deepEqual(findIn(transcript, ""), []);
});

/** Answer the next requests, and keep what was sent. */
function answering(...answers) {
  const sent = [];
  globalThis.fetch = async (url, { headers, body }) => {
    sent.push({ tag: headers["If-Match"], segments: JSON.parse(body).segments });
    const [status, document] = answers.shift();
    return new Response(JSON.stringify(document), { status });
  };
  return sent;
}

test("a save names the text that it replaces, and a change meanwhile is saved after it", async () => {
  const sent = answering([200, { number: 1, saves: 1 }], [200, { number: 1, saves: 2 }]);
  let segments = ["first"];
  const saving = new Saving("/v1/jobs/1/transcript", null, () => segments);
  saving.change();
  const flushed = saving.flush();
  segments = ["second"];
  saving.change();
  await flushed;
  assert.deepEqual(sent, [{ tag: '"0.0"', segments: ["first"] }, { tag: '"1.1"', segments: ["second"] }]);
  assert.equal(saving.state, "saved");
  assert.equal(saving.hasUnsaved, false);
});

test("nothing is saved over another person's text until that is wanted", async () => {
  const conflict = { code: "revision_conflict", detail: "Changed.", number: 3, saves: 2 };
  const sent = answering([412, conflict], [200, { number: 4, saves: 1 }]);
  const saving = new Saving("/v1/jobs/2/transcript", { number: 2, saves: 9 }, () => []);
  saving.change();
  await saving.flush();
  assert.equal(saving.state, "conflict");
  saving.change();
  await saving.flush();
  assert.equal(sent.length, 1);
  await saving.keepMine();
  assert.deepEqual(sent.map(({ tag }) => tag), ['"2.9"', '"3.2"']);
  assert.equal(tagOf(saving.revision), '"4.1"');
  assert.equal(saving.hasUnsaved, false);
});

test("a refusal is not repeated, and the next change tries again", async () => {
  const sent = answering([403, { code: "scope_missing", detail: "Read only." }], [200, { number: 1, saves: 1 }]);
  const saving = new Saving("/v1/jobs/3/transcript", null, () => []);
  saving.change();
  await saving.flush();
  assert.equal(saving.state, "failed");
  assert.equal(saving.error.message, "Read only.");
  saving.change();
  await saving.flush();
  assert.equal(sent.length, 2);
  assert.equal(saving.state, "saved");
});
