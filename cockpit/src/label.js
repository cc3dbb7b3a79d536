// SPDX-License-Identifier: Apache-2.0
// States and outcomes, each with a colour, an icon and a word: neither of the first two carries a meaning alone.

import { h, svg } from "./dom.js";
import { _ } from "./text.js";
import words from "./words.json";

const CIRCLE = "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z";
/** What is drawn in the circle. */
const ICONS = {
    done: "M4.5 8.3 7 10.8l4.6-5",
    failed: "M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6",
    unknown: "M5.8 6.2a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.5M8 11.6v.6",
    held: "M6.2 5v6M9.8 5v6",
    running: "M8 4v4l3 1.8",
    ready: "M5 8h6M8.5 5.2 11.2 8l-2.7 2.8",
    nothing: "M4.8 8h6.4",
    attention: "M8 4.2v4.6M8 11v.8",
};

/** Colour of PatternFly's label, icon and word of each outcome in the table of livefw (words.json). */
const OUTCOMES = {
    activated: ["green", "done", "Activated"],
    staged: ["blue", "ready", "Staged"],
    failed: ["red", "failed", "Failed"],
    refused: ["orange", "held", "Refused"],
    cancelled: ["grey", "nothing", "Cancelled"],
    unknown: ["purple", "unknown", "Unknown"],
};

/** The same of each state. */
const STATES = {
    ready: ["blue", "ready", "Ready"],
    held: ["orange", "held", "Held"],
    activating: ["teal", "running", "Activating"],
    staging: ["teal", "running", "Staging"],
    cancelling: ["teal", "running", "Cancelling"],
    unfinished: ["purple", "unknown", "Unfinished"],
    "up-to-date": ["green", "done", "Up to date"],
    "needs-reset": ["orange", "attention", "Needs reset"],
    blocked: ["red", "failed", "Blocked"],
    unreadable: ["red", "unknown", "Unreadable"],
};

/** The same of each way in which an activation ends without an outcome, by livefw's exit code. */
const ENDS = {
    1: ["red", "failed", "Failed"],
    2: ["orange", "attention", "Not possible"],
    3: ["grey", "nothing", "Nothing to do"],
    4: ["orange", "held", "Refused"],
    5: ["orange", "held", "No permission"],
    6: ["purple", "unknown", "Unknown"],
    7: ["orange", "attention", "Not installed"],
    130: ["grey", "nothing", "Cancelled"],
};

/** The states in which something happens now. */
export const RUNNING = ["activating", "staging", "cancelling"];

export const outcomeLabel = outcome => label(OUTCOMES[outcome] ?? ["grey", "unknown", outcome]);
export const stateLabel = code => label(STATES[code] ?? ["grey", "unknown", code]);
/** Of an error in an answer; an activation that needs a reset is refused for that reason. */
export const errorLabel = exitCode => label(ENDS[exitCode] ?? ENDS[1]);
export const checkLabel = weight => label(weight === "warning"
    ? ["orange", "attention", "Warning"]
    : ["red", "held", "Blocks"]);
export const recordLabel = whole => label(whole ? ["green", "done", "Consistent"] : ["red", "failed", "Not consistent"]);

/** Choices of a filter. */
export const stateNames = () => Object.keys(STATES).map(code => [code, _(STATES[code][2])]);
export const outcomeNames = () => Object.keys(words.outcomes).map(code => [code, _(OUTCOMES[code]?.[2] ?? code)]);

function label([colour, icon, word]) {
    return h("span", { class: `pf-v6-c-label pf-m-${colour} livefw-label` },
        h("span", { class: "pf-v6-c-label__content" },
            h("span", { class: "pf-v6-c-label__icon" }, picture(icon)),
            h("span", { class: "pf-v6-c-label__text" }, _(word))));
}

const picture = icon => svg("svg",
    { viewBox: "0 0 16 16", width: 14, height: 14, fill: "none", stroke: "currentColor", "stroke-width": 1.6,
      "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
    svg("path", { d: CIRCLE }), svg("path", { d: ICONS[icon] }));
