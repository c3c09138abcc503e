/** The controls of the player. */

import { h, replace, setText, svgIcon } from "./dom.js";
import { notice } from "./notice.js";
import { SKIP, SPEEDS } from "./player.js";
import { duration, number, t } from "./text.js";
import { toolButton } from "./tool_button.js";

/**
 * @param {import("./player.js").Player} player
 * @param {string} format the extension of the recording's name, for a message
 * @returns {{element: HTMLElement, trouble: HTMLElement}} `trouble` tells why the recording can't be played
 */
export function playerBar(player, format) {
  const play = toolButton("play", t("player.play"), () => player.toggle(), { class: "primary play" });
  const now = h("span", {});
  const all = h("span", { class: "all" });
  const clock = h("span", { class: "clock", role: "timer", "aria-label": t("player.time"), "aria-live": "off" }, now, all);
  const setSpeed = () => { player.speed = Number(speed.value); };
  const speed = h("select", { "aria-label": t("player.speed"), on: { change: setSpeed } },
    SPEEDS.map((rate) => h("option", { value: rate, selected: rate === player.speed }, `${number(rate, 2)}×`)));
  const back = toolButton("skip_back", t("player.back", { n: SKIP }), () => player.skip(-SKIP));
  const forward = toolButton("skip_forward", t("player.forward", { n: SKIP }), () => player.skip(SKIP));
  const trouble = h("div", { role: "alert" });
  const element = h("div", { class: "player" }, back, play, forward, clock, speed);
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
    const retry = problem === "offline" ? () => player.retry() : null;
    const text = t(`player.cannot.${problem}`, { format, message: player.message });
    replace(trouble, notice(problem === "format" ? "info" : "warning", text, { retry }));
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
