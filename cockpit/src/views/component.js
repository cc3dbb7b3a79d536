// SPDX-License-Identifier: Apache-2.0
// Everything about one component.

import { foreign, h, refill } from "../dom.js";
import { checkLabel, stateLabel } from "../label.js";
import { alert, button, card, facts, folded, link, marked, printed, reasons, since, table, title } from "../parts.js";
import { _, full, label, say, stops, version } from "../text.js";
import { pastTable } from "./history.js";
import { running } from "./overview.js";

export function component(root, machine, actions, key) {
    const body = h("div");
    let asked = 0;
    root.append(h("p", {}, link("#/", _("All components"))), body);

    /** Ask anew; an answer that comes after a later question is not shown. */
    async function update() {
        const mine = ++asked;
        try {
            const [shown, plan, past] = await Promise.all([
                machine.ask("Show", "as", [[key]]), machine.ask("Plan", "asas", [[key], []]), machine.ask("History", "ss", [key, ""]),
            ]);
            if (mine !== asked)
                return;
            const item = shown.document.components?.[0];
            if (item)
                refill(body, content(item, plan, past.document, actions));
            else
                refill(body, alert("warning", _("There is no such component"), foreign(shown.document.error?.message ?? key)));
        } catch (error) {
            if (mine === asked && machine.link === "open")
                refill(body, alert("danger", _("It cannot be shown"), foreign(error.message)));
        }
    }
    return { update };
}

function content(item, plan, past, { activate, stage, cancel }) {
    const { state } = item;
    const pending = ["ready", "held"].includes(state.code);
    return [
        h("div", { class: "livefw-heading" }, title(1, label(item), { dir: "auto" }), stateLabel(state.code)),
        h("p", { class: "livefw-sentence" }, foreign(state.sentence)),
        state.running && h("p", {}, running(state.running)),
        state.until && h("p", {}, say(_("Held until $0"), full(state.until))),
        h("div", { class: "livefw-actions" },
            pending && button(_("Activate"), "primary", () => activate([item.key]), { id: "component-activate" }),
            (item.linked || !NO_STAGING.includes(item.provider)) &&
                button(_("Stage an image"), "secondary", () => stage(item), { id: "component-stage" }),
            (pending || state.code === "unfinished") &&
                button(_("Cancel"), "secondary", () => cancel(item), { id: "component-cancel", "aria-label": _("Cancel what is pending or unfinished") })),
        card(_("Versions and cost"), facts([
            [_("Running"), foreign(version(item.current_version))],
            [_("Pending"), item.pending ? foreign(version(item.pending_version)) : _("nothing")],
            [_("Pending since"), item.pending_since && h("span", {}, since(item.pending_since), `, ${full(item.pending_since)}`)],
            [_("An activation"), stops(item.cost)],
            [_("Before"), before(item.past)],
            [_("Component"), foreign(item.key)],
            [_("Host"), item.host && foreign(item.host)],
        ]), reasons(item.notes)),
        pending && card(_("Plan"), printed(_("Plan"), plan.text)),
        pending && card(_("Checks"), checks(plan.document)),
        item.reasons.length > 0 && state.code !== "up-to-date" && card(_("Why it cannot be activated now"), reasons(item.reasons)),
        card(_("Images"), images(item.images)),
        card(_("History"), pastTable(past.history ?? []), past.before && h("p", {}, link("#/history", _("Show older entries")))),
        card(null,
            folded("facts-mechanism", _("How the mechanism works"), facts(Object.entries(item.mechanism).map(([name, value]) => [name, h("bdi", {}, marked(String(value)))]))),
            folded("facts-details", _("What the mechanism reports"),
                facts(Object.entries(item.details).map(([name, value]) => [foreign(name), foreign(typeof value === "object" ? JSON.stringify(value) : String(value))]))),
            folded("facts-settings", _("Settings"), facts(Object.entries(item.settings).map(([name, value]) => [name, value ? _("on") : _("off")])))),
    ];
}

/** Mechanisms that take no image from livefw. */
const NO_STAGING = ["lfa"];

function before({ usual, tried, succeeded }) {
    if (tried === null)
        return _("the history of it cannot be read");
    if (usual)
        return say(_("took $0 s here ($1 times, at worst $2 s)"), usual.median_s.toFixed(1), usual.times, usual.worst_s.toFixed(1));
    return tried > 0 ? say(_("tried $0 times here, $1 of them with success"), tried, succeeded) : _("never done here before");
}

function checks(plan) {
    const problems = (plan.steps ?? []).flatMap(step => step.problems);
    if (plan.error)
        return h("p", {}, foreign(plan.error.message));
    if (problems.length === 0)
        return h("p", {}, _("No check blocks or warns."));
    return problems.map(each => h("div", { class: "livefw-problem" },
        h("p", {}, checkLabel(each.weight), " ", h("strong", {}, each.check), " ", foreign(each.text)),
        each.hint && h("p", { class: "livefw-hint" }, foreign(each.hint))));
}

const images = list => list.length === 0
    ? h("p", {}, _("No image for it is on this machine."))
    : table(_("Images"), [_("Version"), _("Name"), _("File"), "SHA-256"], list.map(each => [
        foreign(each.version), foreign(each.name || "-"), foreign(each.file), h("code", { class: "livefw-hash" }, each.sha256 ?? "-")]));
