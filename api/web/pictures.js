/** The pictures of the recording: waveform and spectrogram. */

import { request } from "./api.js";
import { h, iconButton, replace } from "./dom.js";
import { save, stemOf } from "./job_actions.js";
import { t } from "./text.js";

/**
 * @param {any} job
 * @param {{announce: (message: string) => void}} tools
 */
export function picturesPanel(job, { announce }) {
  const stem = stemOf(job);
  const urls = [];
  const abort = new AbortController();
  const names = ["waveform", "spectrogram"];
  const element = h("section", { class: "card stack pictures", "aria-labelledby": "pictures-title" },
    h("h2", { id: "pictures-title" }, t("pictures.title")), names.map(figure));

  function figure(name) {
    const link = job.links[`${name}_png`];
    const title = t(`pictures.${name}`);
    const place = h("div", { class: "picture" });
    if (!link) {
      const reason = t(`pictures.${name}.not_made`);
      return h("figure", {}, h("figcaption", {}, title), h("p", { class: "muted small" }, reason));
    }
    const label = t(`pictures.${name}.download`);
    const button = iconButton("download", t("download.png"), { class: "quiet", "aria-label": label, disabled: true });
    load(name, link, place, button);
    return h("figure", {}, h("figcaption", { class: "row between" }, title, button), place);
  }

  async function load(name, link, place, button) {
    try {
      const blob = await (await request(link, { signal: abort.signal })).blob();
      const url = URL.createObjectURL(blob);
      urls.push(url);
      const alt = t(`pictures.${name}.alt`, { name: job.file.name });
      replace(place, h("img", { src: url, width: 1000, height: 240, alt }));
      button.disabled = false;
      button.addEventListener("click", () => save(blob, `${stem}.${name}.png`));
    } catch (error) {
      if (abort.signal.aborted) return;
      replace(place, h("p", { class: "muted small" }, error.message));
      announce(error.message);
    }
  }

  return {
    element,
    dispose() {
      abort.abort();
      for (const url of urls) URL.revokeObjectURL(url);
    },
  };
}
