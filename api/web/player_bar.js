/** The controls of the player. */

import { h, iconButton, replace, setText, svgIcon } from "./dom.js";
import { SKIP, SPEEDS } from "./player.js";
import { duration, number, t } from "./text.js";

/**
 * @param {import("./player.js").Player} player
 * @param {string} format the extension of the recording's name, for a message
 * @returns {{element: HTMLElement, trouble: HTMLElement, dispose: () => void}}
 */
export function playerBar(player, format) {
  const play = iconButton("play", t("player.play"), { visible: false, class: "primary play", on: { click: () => player.toggle() } });
  const skip = (icon, label, seconds) =>
    iconButton(icon, t(label, { n: SKIP }), { visible: false, class: "quiet square", on: { click: () => player.skip(seconds) } });
  const now = h("span", {});
  const all = h("span", { class: "all" });
  const clock = h("span", { class: "clock", role: "timer", "aria-label": t("player.time"), "aria-live": "off" }, now, all);
  const speed = h("select", { "aria-label": t("player.speed"), on: { change: () => { player.speed = Number(speed.value); } } },
    SPEEDS.map((rate) => h("option", { value: rate, selected: rate === 1 }, `${number(rate, 2)}×`)));
  const back = skip("skip_back", "player.back", -SKIP);
  const forward = skip("skip_forward", "player.forward", SKIP);
  const trouble = h("div", { role: "alert" });
  const element = h("div", { class: "player", role: "group", "aria-label": t("player.label") }, back, play, forward, clock, speed);
  let shown = null;

  function drawTime() {
    setText(now, duration(player.time));
    setText(all, ` / ${duration(player.seconds)}`);
  }

  function draw() {
    drawTime();
    if (shown !== player.isPlaying) {
      shown = player.isPlaying;
      const label = t(shown ? "player.pause" : "player.play");
      play.setAttribute("aria-label", label);
      play.title = label;
      replace(play, svgIcon(shown ? "pause" : "play"));
    }
    for (const control of [play, back, forward, speed]) control.disabled = player.problem !== null;
    drawTrouble();
  }

  function drawTrouble() {
    const problem = player.problem ?? "";
    if (trouble.dataset.problem === problem) return;
    trouble.dataset.problem = problem;
    if (!problem) return replace(trouble);
    const text = problem === "format" ? t("player.cannot.format", { format }) : t(`player.cannot.${problem}`, { message: player.message });
    replace(trouble, h("div", { class: `notice ${problem === "format" ? "info" : "warning"}` }, svgIcon("warning"),
      h("span", { class: "grow" }, text),
      problem === "offline" ? h("button", { type: "button", on: { click: () => player.retry() } }, t("retry")) : null));
  }

  player.addEventListener("time", drawTime);
  player.addEventListener("state", draw);
  draw();
  return { element, trouble };
}

/** Handle the keys that work everywhere in the view: space, and the arrows where nothing else needs them. */
export function playerKeys(player) {
  const handle = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target.closest?.("input, select, textarea, dialog, summary, [contenteditable]")) return;
    if (event.key === " " && !target.closest?.("button, a, [role=button]")) player.toggle();
    else if (event.key === "ArrowLeft") player.skip(-SKIP);
    else if (event.key === "ArrowRight") player.skip(SKIP);
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", handle);
  return () => document.removeEventListener("keydown", handle);
}
