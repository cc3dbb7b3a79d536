// SPDX-License-Identifier: Apache-2.0
// All components, and before them what needs a person.

import { foreign, h, refill } from "../dom.js";
import { outcomeLabel, RUNNING, stateLabel, stateNames } from "../label.js";
import { lastOf } from "../machine.js";
import { alert, button, card, field, input, link, pages, reasons, select, since, table, title } from "../parts.js";
import { _, full, label, say, stops, version } from "../text.js";

/** Components on one page: more would make each change slow. */
const PAGE = 50;
/** What needs a person first. Where a component is in several rows, the first counts. */
const NEEDS = [
    (component, _last) => RUNNING.includes(component.state.code),
    (component, _last) => component.state.code === "unfinished",
    (_component, last) => last?.outcome?.outcome === "unknown",
    (_component, last) => last?.outcome?.outcome === "failed",
    (component, _last) => ["unreadable", "blocked", "needs-reset"].includes(component.state.code),
    (component, _last) => component.state.code === "held",
    (component, _last) => component.state.code === "ready",
];
/** Those that are listed above the table; a filter shows the others. */
const MOST_NEEDS = 20;

export function overview(root, machine, { activate }) {
    const view = { words: "", state: "", page: 0 };
    const attention = h("div");
    const list = h("div");
    const change = values => {
        Object.assign(view, { page: 0 }, values);
        update();
    };
    root.append(
        title(1, _("Live firmware")),
        attention,
        card(_("Components"),
            h("div", { class: "livefw-filters", role: "search", "aria-label": _("Filter components") },
                field("filter-words", _("Name, id or version"),
                    input("filter-words", { type: "search", oninput: event => change({ words: event.target.value }) })),
                field("filter-state", _("State"), select("filter-state", [["", _("All")], ...stateNames()], "",
                    state => change({ state })))),
            list));

    function update() {
        if (machine.components === null)
            return;
        refill(attention, needs(machine, activate));
        const shown = machine.components.filter(each => matches(each, view));
        const count = Math.max(1, Math.ceil(shown.length / PAGE));
        view.page = Math.min(view.page, count - 1);
        const rows = shown.slice(view.page * PAGE, (view.page + 1) * PAGE);
        refill(list,
            h("p", { role: "status", class: "livefw-count" }, say(_("$0 of $1 components"), shown.length, machine.components.length)),
            rows.length > 0 && table(_("Components"),
                [_("Name"), _("Running"), _("Pending"), _("Cost"), _("Pending since"), _("State"), _("Action")],
                rows.map(each => row(each, activate))),
            pages(_("Pages of components"), view.page, count, page => change({ page })));
    }
    return { update };
}

const row = (component, activate) => [
    link(to(component), foreign(label(component))),
    foreign(version(component.current_version)),
    foreign(component.pending ? version(component.pending_version) : "-"),
    stops(component.cost),
    since(component.pending_since),
    stateLabel(component.state.code),
    action(component, activate, "row"),
];

function needs(machine, activate) {
    if (machine.listError)
        return alert("danger", _("The components cannot be listed"), foreign(machine.listError.message),
            machine.listError.hint && h("p", {}, foreign(machine.listError.hint)));
    const found = machine.components.map(component => {
        const last = lastOf(machine.past, component.key);
        return { component, last, rank: NEEDS.findIndex(each => each(component, last)) };
    }).filter(each => each.rank >= 0);
    found.sort((a, b) => a.rank - b.rank || older(a.component, b.component));
    const ready = found.filter(each => each.component.state.code === "ready").length;
    return card(_("Needs attention"),
        machine.notes.length > 0 && alert("info", _("Notes"), reasons(machine.notes)),
        found.length === 0
            ? h("p", {}, _("Nothing: no image is pending, and no outcome is open."))
            : h("ul", { class: "livefw-needs", "aria-label": _("Needs attention") },
                found.slice(0, MOST_NEEDS).map(each => need(each, activate))),
        found.length > MOST_NEEDS && h("p", {}, say(_("$0 more: filter the components by state."), found.length - MOST_NEEDS)),
        ready > 1 && button(_("Activate all that are ready"), "secondary", () => activate([]), { id: "activate-all" }));
}

function need({ component, last, rank }, activate) {
    const { state } = component;
    const outcome = last?.outcome?.outcome;
    return h("li", { class: "livefw-need" },
        h("div", { class: "livefw-need-head" },
            stateLabel(state.code),
            (rank === 2 || rank === 3) && h("span", { class: "livefw-last" }, _("last activation:"), " ", outcomeLabel(outcome)),
            link(to(component), foreign(label(component))),
            component.pending && h("span", {}, foreign(version(component.current_version)), " → ",
                foreign(version(component.pending_version)))),
        h("p", { class: "livefw-sentence" }, foreign((rank === 2 || rank === 3) ? last.outcome.text : state.sentence)),
        state.until && h("p", {}, say(_("Held until $0"), full(state.until))),
        state.running && h("p", {}, running(state.running)),
        component.pending_since && h("p", { class: "livefw-hint" }, _("Pending since:"), " ", since(component.pending_since)),
        action(component, activate, "need"));
}

/** Who does something now, and since when. */
export const running = now => say(_("Running for $0 s, started by $1 (process $2)"), now.seconds ?? "?", now.user ?? "?", now.pid ?? "?");

const action = (component, activate, where) => ["ready", "held"].includes(component.state.code)
    ? button(_("Activate"), where === "need" && component.state.code === "ready" ? "primary" : "secondary",
        () => activate([component.key]),
        { id: `${where}-activate-${component.key}`, "aria-label": say(_("Activate $0"), label(component)) })
    : "";

export const to = component => `#/component/${encodeURIComponent(component.key)}`;

function matches(component, { words, state }) {
    if (state && component.state.code !== state)
        return false;
    const text = [component.name, component.key, component.current_version, component.pending_version].join(" ").toLowerCase();
    return words.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

const older = (a, b) => (a.pending_since ?? "~").localeCompare(b.pending_since ?? "~");
