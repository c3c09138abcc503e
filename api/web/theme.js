/** Light or dark: as the system has it until the person chooses. */

const KEPT = "shrutlekh.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** Whether the page is dark now. */
export function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

/** Set the theme that was chosen, else the system's, and follow the system from then on. */
export function applyTheme() {
  document.documentElement.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
}

/** Change to the other theme and remember it. */
export function toggleTheme() {
  const name = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem(KEPT, name);
  } catch {
    // Storage is forbidden: the choice lasts until the page is closed.
  }
  document.dispatchEvent(new CustomEvent("shrutlekh:theme"));
}

function chosen() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

system.addEventListener("change", () => {
  applyTheme();
  document.dispatchEvent(new CustomEvent("shrutlekh:theme"));
});
