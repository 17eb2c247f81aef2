/** Light or dark mode: the user's choice, else that of their system. */
import { applyMode, Mode } from "@cloudscape-design/global-styles";

const STORED = "waybill.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", applyTheme);

export type Theme = "light" | "dark" | "system";

export function chooseTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, theme);
  applyTheme();
}

export function applyTheme(): void {
  const dark = (localStorage.getItem(STORED) ?? (system.matches ? "dark" : "light")) === "dark";
  applyMode(dark ? Mode.Dark : Mode.Light);
}
