/** The frame of the page: navigation, language, theme, the state of the service, and the view that the URL names. */

import { onUnauthorised } from "./api.js";
import { h, iconButton, replace, svgIcon } from "./dom.js";
import { renderDictation } from "./dictation_view.js";
import { renderJob } from "./job_view.js";
import { askForKey, keyButton } from "./key_dialog.js";
import { renderList } from "./list_view.js";
import { renderModels } from "./models_view.js";
import { serviceBanner, watchService } from "./service_state.js";
import { language, setLanguage, t } from "./text.js";
import { applyTheme, isDark, toggleTheme } from "./theme.js";
import { announce, liveRegions } from "./toasts.js";

const VIEWS = [
  { name: "list", hash: "#/", label: "nav.list" },
  { name: "dictate", hash: "#/dictate", label: "nav.dictate" },
  { name: "models", hash: "#/models", label: "nav.models" },
];
const app = document.getElementById("app");
const main = h("main", { id: "main", tabIndex: -1 });

let dispose = () => {};

function navigate(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

function here() {
  const parts = location.hash.replace(/^#\/?/, "").split("/");
  if (parts[0] === "jobs" && /^[0-9a-f-]{36}$/i.test(parts[1] ?? "")) return { name: "job", id: parts[1] };
  return { name: VIEWS.some((view) => view.name === parts[0]) ? parts[0] : "list" };
}

function route() {
  dispose();
  const view = here();
  drawFrame(view.name);
  replace(main);
  const tools = { announce, navigate };
  if (view.name === "job") dispose = renderJob(main, view.id, tools);
  else if (view.name === "dictate") dispose = renderDictation(main, tools);
  else if (view.name === "models") dispose = renderModels(main, tools);
  else dispose = renderList(main, tools);
}

function drawFrame(name) {
  const shown = name === "job" ? "list" : name;
  const title = t(VIEWS.find((view) => view.name === shown).label);
  document.title = `${title} · श्रुतलेख`;
  replace(
    app,
    h("a", { class: "skip", href: "#main", on: { click: skipToContent } }, t("nav.skip")),
    h(
      "header",
      { class: "bar" },
      h("a", { class: "brand", href: "#/", lang: "hi" }, h("img", { src: icon(), alt: "" }), "श्रुतलेख"),
      h(
        "nav",
        { "aria-label": t("nav.label") },
        VIEWS.map((view) =>
          h("a", { href: view.hash, "aria-current": view.name === shown ? "page" : null }, t(view.label)),
        ),
      ),
      h("div", { class: "tools" }, keyButton(), themeButton(), languageButton()),
    ),
    serviceBanner(),
    main,
    liveRegions(),
  );
}

function skipToContent(event) {
  event.preventDefault();
  main.focus();
}

function languageButton() {
  const other = language() === "hi" ? "en" : "hi";
  const change = () => {
    setLanguage(other);
    route();
    document.querySelector("[data-testid=language]")?.focus();
  };
  const props = { class: "quiet", type: "button", lang: other, dataset: { testid: "language" }, on: { click: change } };
  return h("button", props, other === "hi" ? "हिन्दी" : "English");
}

function themeButton() {
  const draw = () => {
    const name = t(isDark() ? "theme.light" : "theme.dark");
    button.setAttribute("aria-label", name);
    button.title = name;
    replace(button, svgIcon(isDark() ? "sun" : "moon"));
  };
  const button = iconButton("moon", t("theme.dark"), { visible: false, class: "quiet square" });
  button.addEventListener("click", () => {
    toggleTheme();
    draw();
  });
  draw();
  return button;
}

function icon() {
  return document.querySelector("link[rel=icon]").href;
}

applyTheme();
onUnauthorised(askForKey);
watchService();
addEventListener("hashchange", () => {
  route();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
document.addEventListener("shrutlekh:key", route);
route();
