// SPDX-License-Identifier: Apache-2.0
// A measurement as a picture, as `livefw history --plot` draws it: CPUs down, time across, a bar for each time in which a
// CPU ran no program.

import { h, svg } from "./dom.js";
import { _, duration, say } from "./text.js";

const LEAST_WIDTH = 280;
const MOST_WIDTH = 1300;
/** Of the page and of a card, on one side. */
const MARGIN = 48;
const LEFT = 70;
const RIGHT = 20;
const MOST_ROWS = 400;
const MOST_TICKS = 7;
const TICK_WIDTH = 50;

export function plot({ rows, seconds, longest_ns: longest }) {
    // As wide as it is shown: a picture that is scaled has texts of another size.
    const width = Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, document.documentElement.clientWidth - 2 * MARGIN));
    const shown = rows.slice(0, MOST_ROWS);
    const height = Math.max(3, Math.min(16, 640 / shown.length));
    const moments = shown.flatMap(row => row.gaps.flat());
    const most = Math.min(MOST_TICKS, Math.floor((width - LEFT - RIGHT) / TICK_WIDTH));
    const step = stepOf(Math.min(0, ...moments), Math.max(seconds * 1e9, 1000, ...moments), most);
    const begin = Math.floor(Math.min(0, ...moments) / step) * step;
    const end = Math.ceil(Math.max(seconds * 1e9, 1000, ...moments) / step) * step;
    const x = ns => LEFT + (ns - begin) * (width - LEFT - RIGHT) / (end - begin);
    const bottom = height * shown.length + 4;
    const every = Math.max(1, Math.ceil(13 / height));
    const text = say(_("Stops of the CPUs; the longest took $0"), duration(longest));
    return h("figure", { class: "livefw-plot" },
        svg("svg", { viewBox: `0 0 ${width} ${bottom + 24}`, role: "img", "aria-label": text },
            ticks(begin, end, step).map(ns => [
                svg("line", { class: ns === 0 ? "zero" : "grid", x1: x(ns), x2: x(ns), y1: 0, y2: bottom }),
                svg("text", { x: x(ns), y: bottom + 16, "text-anchor": "middle" }, ns === 0 ? "0" : duration(ns)),
            ]),
            shown.map((row, index) => line(row, { x, y: 2 + index * height, height, end, begin, labelled: index % every === 0 }))),
        h("figcaption", {}, text, rows.length > shown.length && ` (${shown.length} / ${rows.length})`));
}

const line = (row, { x, y, height, begin, end, labelled }) => svg("g", {},
    svg("title", {}, say(_("CPU $0: longest stop $1"), row.cpus, duration(row.longest_ns))),
    labelled && svg("text", { x: LEFT - 6, y: y + Math.min(height, 12), "text-anchor": "end" }, short(row.cpus)),
    svg("rect", { class: "track", x: x(begin), y: y + 0.5, width: x(end) - x(begin), height: height - 1 }),
    row.gaps.map(([from, to]) =>
        svg("rect", { class: "stop", x: x(from), y: y + 0.5, width: Math.max(1, x(to) - x(from)), height: height - 1 })));

const short = text => text.length > 9 ? `${text.slice(0, 8)}…` : text;

function stepOf(first, last, most) {
    for (let power = 0; ; power++)
        for (const factor of [1, 2, 5])
            if ((last - first) / (factor * 10 ** power) <= most - 1)
                return factor * 10 ** power;
}

const ticks = (begin, end, step) => Array.from({ length: Math.round((end - begin) / step) + 1 }, (_each, index) => begin + index * step);
