// SPDX-License-Identifier: Apache-2.0
// Dark or light, as the rest of Cockpit: it tells nobody in a frame, each page has to follow by itself.

const DARK = "pf-v6-theme-dark";
const preference = window.matchMedia("(prefers-color-scheme: dark)");

function apply(style) {
    const dark = style === "dark" || (style !== "light" && preference.matches);
    document.documentElement.classList.toggle(DARK, dark);
}

const chosen = () => localStorage.getItem("shell:style") ?? "auto";

/** Follow it from now on. */
export function follow() {
    window.addEventListener("storage", event => event.key === "shell:style" && apply(chosen()));
    window.addEventListener("cockpit-style", event => apply(event.detail?.style ?? chosen()));
    preference.addEventListener("change", () => apply(chosen()));
    apply(chosen());
}
