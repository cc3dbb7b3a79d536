// SPDX-License-Identifier: Apache-2.0
// Pieces of PatternFly that several views use.

import { foreign, h } from "./dom.js";
import { _, ago, full } from "./text.js";

/** A button; kind: primary, secondary, link or danger. */
export const button = (text, kind, onclick, properties = {}) =>
    h("button", { type: "button", class: `pf-v6-c-button pf-m-${kind}`, onclick, ...properties },
        h("span", { class: "pf-v6-c-button__text" }, text));

/** A link to another view of this page. */
export const link = (to, ...children) => h("a", { href: to, class: "livefw-link" }, ...children);

export const title = (level, text, properties = {}) =>
    h(`h${level}`, { class: `pf-v6-c-title pf-m-${level === 1 ? "2xl" : level === 2 ? "xl" : "md"}`, ...properties }, text);

/** A message; kind: info, success, warning, danger or custom. */
export const alert = (kind, heading, ...children) =>
    h("div", { class: `pf-v6-c-alert pf-m-inline pf-m-${kind}` },
        h("div", { class: "pf-v6-c-alert__title" }, heading),
        children.length > 0 && h("div", { class: "pf-v6-c-alert__description" }, ...children));

export const card = (heading, ...children) =>
    h("section", { class: "pf-v6-c-card livefw-card" },
        heading && h("div", { class: "pf-v6-c-card__title" }, title(2, heading)),
        h("div", { class: "pf-v6-c-card__body" }, ...children));

/** Facts with their names; those without a value are left out. */
export const facts = pairs =>
    h("dl", { class: "pf-v6-c-description-list pf-m-horizontal-on-md livefw-facts" },
        pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) =>
            h("div", { class: "pf-v6-c-description-list__group" },
                h("dt", { class: "pf-v6-c-description-list__term" },
                    h("span", { class: "pf-v6-c-description-list__text" }, name)),
                h("dd", { class: "pf-v6-c-description-list__description" },
                    h("div", { class: "pf-v6-c-description-list__text" }, value)))));

/** A table that becomes cards where it is narrow. rows: lists of cells, as many as there are headings. */
export const table = (label, headings, rows) =>
    h("table", { class: "pf-v6-c-table pf-m-grid-md pf-m-compact livefw-table", "aria-label": label },
        h("thead", { class: "pf-v6-c-table__thead" },
            h("tr", { class: "pf-v6-c-table__tr" },
                headings.map(each => h("th", { class: "pf-v6-c-table__th", scope: "col" }, each)))),
        h("tbody", { class: "pf-v6-c-table__tbody" },
            rows.map(cells => h("tr", { class: "pf-v6-c-table__tr" },
                cells.map((cell, index) =>
                    h("td", { class: "pf-v6-c-table__td", "data-label": headings[index] }, cell))))));

/** Something that is shown when it is asked for. */
export const folded = (id, summary, ...children) =>
    h("details", { id, class: "livefw-folded" }, h("summary", {}, summary), ...children);

/** A time as its age, with the time itself for who wants it. */
export const since = time => time ? h("time", { datetime: time, title: full(time) }, ago(time)) : "-";

/** What livefw prints, as it prints it. */
export const printed = (label, text) => h("pre", { class: "livefw-printed", tabindex: 0, role: "region", "aria-label": label }, text);

/** A text of livefw's with names between backquotes. */
export const marked = text => text.split("`").map((part, index) => index % 2 === 1 ? h("code", {}, part) : part);

/** Texts with what to do about each, as livefw says it. */
export const reasons = list => list.map(each => h("p", { class: "livefw-reason" },
    foreign(each.text), each.hint && h("span", { class: "livefw-hint" }, foreign(each.hint))));

/** A field with its name. */
export const field = (id, name, control, help) =>
    h("div", { class: "pf-v6-c-form__group livefw-field" },
        h("label", { class: "pf-v6-c-form__label", for: id }, h("span", { class: "pf-v6-c-form__label-text" }, name)),
        h("span", { class: "pf-v6-c-form-control" }, control),
        help && h("div", { class: "livefw-hint", id: `${id}-help` }, help));

export const input = (id, properties = {}) => h("input", { id, type: "text", ...properties });

export const select = (id, choices, chosen, onchange) =>
    h("select", { id, onchange: event => onchange(event.target.value) },
        choices.map(([value, name]) => h("option", { value, selected: value === chosen }, name)));

/** Which page of how many, with what goes to others; nothing if there is one. */
export function pages(label, page, count, go) {
    if (count <= 1)
        return [];
    return h("nav", { class: "livefw-pages", "aria-label": label },
        button(_("Previous"), "secondary", () => go(page - 1), { id: "previous-page", disabled: page === 0 }),
        h("span", { "aria-live": "polite" }, `${page + 1} / ${count}`),
        button(_("Next"), "secondary", () => go(page + 1), { id: "next-page", disabled: page + 1 >= count }));
}
