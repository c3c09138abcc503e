/** Drawing a part of the time line on a canvas. */

const BAR = 3;
const AXIS = 20;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const LABEL_WIDTH = 76;
// From this scale on, words find room below the wave.
const WORDS_FROM = 90;
const WORDS_HEIGHT = 26;

/** The colours that the canvas needs, as the theme has them now. */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    wave: colour("muted"), played: colour("accent"), axis: colour("muted"), line: colour("line"), warning: colour("warning"),
    warningSoft: colour("warning-soft"), text: colour("text"), head: colour("danger"), font: colour("text-font"),
  };
}

/**
 * @typedef {Object} View
 * @property {number} width in CSS pixels
 * @property {number} height
 * @property {number} from seconds at the left edge
 * @property {number} scale pixels a second
 * @property {number} time the play head
 */

/** Read the JSON of audiowaveform: the lowest and highest sample of each bin, as shares of the loudest. */
export function peaksOf({ data, bits, sample_rate: rate, samples_per_pixel: samples }) {
  const full = (1 << (bits - 1)) - 1;
  const loudest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // A recording that is nearly silent must not look loud.
  return { data, loudest: Math.max(loudest, full * 0.05), seconds: samples / rate };
}

/**
 * Draw everything.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {{peaks: any, segments: any[], spans: {start: number, end: number}[], words: (from: number, to: number) => any[],
 *   seconds: number}} content
 */
export function drawTimeline(context, view, content, colours) {
  const hasWords = view.scale >= WORDS_FROM;
  const bottom = view.height - AXIS - (hasWords ? WORDS_HEIGHT : 0);
  context.clearRect(0, 0, view.width, view.height);
  drawSpans(context, view, content, colours, bottom);
  if (content.peaks) drawWave(context, view, content, colours, bottom);
  else drawSegments(context, view, content, colours, bottom);
  if (hasWords) drawWords(context, view, content, colours, bottom);
  drawAxis(context, view, content, colours);
  const x = (view.time - view.from) * view.scale;
  context.fillStyle = colours.head;
  context.fillRect(Math.round(x) - 1, 0, 2, view.height - AXIS);
}

function drawWave(context, view, { peaks, seconds }, colours, bottom) {
  const middle = bottom / 2;
  const head = (view.time - view.from) * view.scale;
  // Bars stay on their place in the recording when the view scrolls.
  const first = -((view.from * view.scale) % BAR);
  for (let x = first; x < view.width; x += BAR) {
    const at = view.from + x / view.scale;
    if (at >= seconds) break;
    const [low, high] = extremes(peaks, at, at + BAR / view.scale);
    const top = middle - (high / peaks.loudest) * (middle - 4);
    const size = Math.max(1.5, ((high - low) / peaks.loudest) * (middle - 4));
    context.fillStyle = x < head ? colours.played : colours.wave;
    context.globalAlpha = x < head ? 1 : 0.6;
    context.fillRect(x, top, BAR - 1, size);
  }
  context.globalAlpha = 1;
}

function extremes({ data, seconds }, from, to) {
  const first = Math.max(0, Math.floor(from / seconds));
  const last = Math.min(data.length / 2, Math.max(first + 1, Math.ceil(to / seconds)));
  let low = 0;
  let high = 0;
  for (let bin = first; bin < last; bin += 1) {
    low = Math.min(low, data[2 * bin]);
    high = Math.max(high, data[2 * bin + 1]);
  }
  return [low, high];
}

function drawSegments(context, view, { segments }, colours, bottom) {
  for (const { start, end } of segments) {
    const x = (start - view.from) * view.scale;
    const width = Math.max(1, (end - start) * view.scale - 1);
    if (x > view.width || x + width < 0) continue;
    context.fillStyle = start <= view.time ? colours.played : colours.wave;
    context.globalAlpha = 0.5;
    context.fillRect(x, bottom * 0.35, width, bottom * 0.3);
  }
  context.globalAlpha = 1;
}

function drawSpans(context, view, { spans, seconds }, colours, bottom) {
  for (const { start, end } of spans) {
    const x = (Math.min(start, seconds) - view.from) * view.scale;
    const width = Math.max(4, (Math.min(end, seconds) - Math.min(start, seconds)) * view.scale);
    const left = Math.min(x, (seconds - view.from) * view.scale - width);
    if (left > view.width || left + width < 0) continue;
    context.fillStyle = colours.warningSoft;
    context.fillRect(left, 0, width, bottom);
    context.fillStyle = colours.warning;
    context.fillRect(left, 0, width, 4);
    context.fillRect(left, bottom - 2, width, 2);
  }
}

function drawWords(context, view, { words }, colours, bottom) {
  context.font = `14px ${colours.font}`;
  context.textBaseline = "middle";
  for (const { text, start, end } of words(view.from, view.from + view.width / view.scale)) {
    const x = (start - view.from) * view.scale;
    const width = (end - start) * view.scale;
    context.fillStyle = colours.line;
    context.fillRect(x, 0, 1, bottom + WORDS_HEIGHT);
    context.fillStyle = view.time >= start && view.time < end ? colours.played : colours.text;
    context.fillText(text, x + 5, bottom + WORDS_HEIGHT / 2, Math.max(8, width - 7));
  }
}

function drawAxis(context, view, { seconds }, colours) {
  const step = STEPS.find((one) => one * view.scale >= LABEL_WIDTH) ?? STEPS.at(-1);
  const y = view.height - AXIS;
  context.fillStyle = colours.line;
  context.fillRect(0, y, view.width, 1);
  context.font = `12px ${colours.font}`;
  context.textBaseline = "alphabetic";
  for (let tick = Math.floor(view.from / step); tick * step <= seconds; tick += 1) {
    const x = (tick * step - view.from) * view.scale;
    if (x > view.width) break;
    context.fillStyle = colours.line;
    context.fillRect(x, y, 1, 5);
    context.fillStyle = colours.axis;
    if (x < view.width - 30) context.fillText(label(tick * step, step), x + 4, view.height - 5);
  }
}

function label(seconds, step) {
  const pad = (value) => String(Math.floor(value)).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const tail = step < 1 ? (seconds % 60).toFixed(1).padStart(4, "0") : pad(Math.round(seconds % 60));
  return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${tail}`;
}
