/** The time line: the waveform with the play head, where one seeks, zooms and sees what is imperfect. */

import { h, iconButton } from "./dom.js";
import { duration, t } from "./text.js";
import { SKIP } from "./player.js";
import { coloursOf, drawTimeline } from "./timeline_drawing.js";

const PAGE = 30;
// At the closest, this many seconds fill the view.
const CLOSEST = 4;
const ZOOM = 2;
// While it plays, the position is told this often, and never while the slider has the focus: it would be read aloud.
const TELL = 5;

/**
 * @param {import("./player.js").Player} player
 * @param {{peaks: any, segments: any[], spans: {start: number, end: number}[], words: (from: number, to: number) => any[],
 *   textAt: (seconds: number) => string, seconds: number}} content
 * @returns {{element: HTMLElement, draw: () => void, dispose: () => void}}
 */
export function timeline(player, content) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const space = h("div", { class: "timeline-space" });
  const slider = h("div", { class: "timeline-scroll", role: "slider", tabIndex: 0, "aria-label": t("timeline.label"),
    "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": Math.round(content.seconds), "aria-valuenow": 0,
    "aria-keyshortcuts": "ArrowLeft ArrowRight PageUp PageDown Home End" }, space, canvas);
  const closer = iconButton("zoom_in", t("timeline.closer"), { visible: false, class: "quiet square", on: { click: () => zoom(ZOOM) } });
  const wider = iconButton("zoom_out", t("timeline.wider"), { visible: false, class: "quiet square", on: { click: () => zoom(1 / ZOOM) } });
  const zooms = h("div", { class: "row zooms", role: "group", "aria-label": t("timeline.zoom") }, wider, closer);
  const element = h("div", { class: "timeline" }, slider);
  const context = canvas.getContext("2d");
  let colours = null;
  let factor = 1;
  let frame = 0;
  let told = -Infinity;
  let width = 0;
  let height = 0;
  let dragging = null;
  let scrolledAt = 0;

  const scale = () => (width * factor) / content.seconds;

  function size() {
    width = slider.clientWidth;
    height = slider.clientHeight;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    space.style.width = `${width * factor}px`;
    draw();
  }

  function draw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (!width) return;
      colours ??= coloursOf(canvas);
      drawTimeline(context, { width, height, from: slider.scrollLeft / scale(), scale: scale(), time: player.time }, content, colours);
    });
  }

  function zoom(by, at = player.time) {
    const before = at * scale() - slider.scrollLeft;
    const most = Math.max(1, content.seconds / CLOSEST);
    factor = Math.min(Math.max(factor * by, 1), most);
    space.style.width = `${width * factor}px`;
    const isInView = before >= 0 && before <= width;
    slider.scrollLeft = at * scale() - (isInView ? before : width / 2);
    closer.disabled = factor >= most;
    wider.disabled = factor <= 1;
    draw();
  }

  function timeUnder(event) {
    return (slider.scrollLeft + event.clientX - slider.getBoundingClientRect().left) / scale();
  }

  function seek(seconds) {
    player.seek(seconds);
    tell(true);
    reveal();
  }

  /** Scroll to the play head if it is out of sight. */
  function reveal() {
    const x = player.time * scale() - slider.scrollLeft;
    if (factor > 1 && (x < 0 || x > width * 0.95)) slider.scrollLeft = player.time * scale() - width * 0.1;
  }

  function tell(isSought = false) {
    const now = player.time;
    if (!isSought && (Math.abs(now - told) < TELL || document.activeElement === slider)) return;
    told = now;
    slider.setAttribute("aria-valuenow", String(Math.round(now)));
    const text = content.textAt(now);
    const place = t("timeline.value", { time: duration(now), all: duration(content.seconds) });
    slider.setAttribute("aria-valuetext", text ? `${place}, ${text}` : place);
  }

  function press(event) {
    if (event.button !== 0 || event.clientY > slider.getBoundingClientRect().top + slider.clientHeight) return;
    dragging = event.pointerId;
    slider.setPointerCapture?.(event.pointerId);
    seek(timeUnder(event));
  }

  function drag(event) {
    if (event.pointerId === dragging) seek(timeUnder(event));
  }

  function release() {
    dragging = null;
  }

  function pressKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 1 : SKIP;
    if (event.key === "ArrowLeft" || event.key === "ArrowDown") seek(player.time - step);
    else if (event.key === "ArrowRight" || event.key === "ArrowUp") seek(player.time + step);
    else if (event.key === "PageDown") seek(player.time - PAGE);
    else if (event.key === "PageUp") seek(player.time + PAGE);
    else if (event.key === "Home") seek(0);
    else if (event.key === "End") seek(content.seconds);
    else if (event.key === "+" || event.key === "=") zoom(ZOOM);
    else if (event.key === "-") zoom(1 / ZOOM);
    else return;
    event.preventDefault();
  }

  function turnWheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, timeUnder(event));
  }

  const onTime = () => {
    if (player.isPlaying && dragging === null && performance.now() - scrolledAt > 3000) reveal();
    tell();
    draw();
  };
  const onTheme = () => {
    colours = null;
    draw();
  };
  const observer = new ResizeObserver(size);
  observer.observe(slider);
  player.addEventListener("time", onTime);
  player.addEventListener("state", onTime);
  document.addEventListener("shrutlekh:theme", onTheme);
  slider.addEventListener("scroll", draw, { passive: true });
  slider.addEventListener("wheel", turnWheel, { passive: false });
  slider.addEventListener("wheel", () => { scrolledAt = performance.now(); }, { passive: true });
  slider.addEventListener("touchmove", () => { scrolledAt = performance.now(); }, { passive: true });
  slider.addEventListener("pointerdown", press);
  slider.addEventListener("pointermove", drag);
  slider.addEventListener("pointerup", release);
  slider.addEventListener("pointercancel", release);
  slider.addEventListener("keydown", pressKey);
  zoom(1);
  tell(true);

  return {
    element,
    zooms,
    draw,
    dispose() {
      observer.disconnect();
      cancelAnimationFrame(frame);
      document.removeEventListener("shrutlekh:theme", onTheme);
    },
  };
}
