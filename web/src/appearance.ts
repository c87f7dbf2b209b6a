// Dark or light: the system's choice until somebody chooses here.
import { signal } from "@preact/signals";
import { remember } from "./remember";

export type Theme = "dark" | "light";

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function themeNow(): Theme {
    const chosen = document.documentElement.dataset["theme"];
    if (chosen === "dark" || chosen === "light") {
        return chosen;
    }
    return systemIsDark.matches ? "dark" : "light";
}

/** Drawings that read colours once (the curves) are made anew when this changes. */
export const theme = signal<Theme>(themeNow());

systemIsDark.addEventListener("change", () => (theme.value = themeNow()));

export function switchTheme(): void {
    const next: Theme = theme.value === "dark" ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    remember("theme", next);
    theme.value = next;
}
