// SPDX-License-Identifier: Apache-2.0
// What was done here, by whom and why, and whether the record of it is whole.

import { foreign, h, refill } from "../dom.js";
import { outcomeLabel, outcomeNames, recordLabel } from "../label.js";
import { alert, button, card, field, input, link, pages, printed, select, table, title } from "../parts.js";
import { downloads } from "../report.js";
import { _, full, say, version } from "../text.js";

const PAGE = 50;
const SINCE = [["", "Everything"], ["1d", "Last day"], ["7d", "Last week"], ["30d", "Last 30 days"], ["365d", "Last year"]];

export function history(root, machine) {
    const view = { words: "", outcome: "", since: "", page: 0, rows: [], more: null };
    const list = h("div");
    const record = h("div", { class: "livefw-record" }, button(_("Verify the record"), "secondary", verify, { id: "history-verify" }));
    const change = values => {
        Object.assign(view, { page: 0 }, values);
        draw();
    };
    root.append(title(1, _("History")),
        card(_("Record"), record, downloads(machine)),
        card(_("Activations"),
            h("div", { class: "livefw-filters", role: "search", "aria-label": _("Filter the history") },
                field("history-words", _("Name, user, reason or id"),
                    input("history-words", { type: "search", oninput: event => change({ words: event.target.value }) })),
                field("history-outcome", _("Outcome"), select("history-outcome", [["", _("All")], ...outcomeNames()], "",
                    outcome => change({ outcome }))),
                field("history-since", _("Since"), select("history-since", SINCE.map(([value, name]) => [value, _(name)]), "",
                    since => { Object.assign(view, { since, page: 0, rows: [], more: null }); update(); }))),
            list));

    async function ask(member, signature, args) {
        const { since } = view;
        const { document } = await machine.ask(member, signature, ["", since, ...args]).catch(error => ({ document: { error } }));
        // Lost meanwhile, or about a time that is no longer asked for.
        return (document.error && machine.link !== "open") || since !== view.since ? null : document;
    }

    async function update() {
        const document = await ask("History", "ss", []);
        if (document === null)
            return;
        const newest = document.history ?? [];
        const older = following(newest, view.rows);
        Object.assign(view, { rows: [...newest, ...older], error: document.error, more: older.length > 0 ? view.more : document.before });
        draw();
    }

    async function showOlder() {
        const document = await ask("HistoryBefore", "ssx", [view.more]);
        if (document === null)
            return;
        const found = document.history ?? [];
        Object.assign(view, { rows: [...view.rows, ...found], error: document.error, more: document.error ? view.more : document.before });
        draw();
    }

    function draw() {
        const shown = view.rows.filter(each => matches(each, view));
        const count = Math.max(1, Math.ceil(shown.length / PAGE));
        view.page = Math.min(view.page, count - 1);
        refill(list,
            view.error && alert("danger", _("The history cannot be read"), foreign(view.error.message)),
            h("p", { role: "status", class: "livefw-count" },
                say(view.more ? _("$0 of the newest $1 entries") : _("$0 of $1 entries"), shown.length, view.rows.length)),
            pastTable(shown.slice(view.page * PAGE, (view.page + 1) * PAGE)),
            pages(_("Pages of the history"), view.page, count, page => change({ page })),
            view.more && button(_("Show older entries"), "secondary", showOlder, { id: "history-older" }));
    }

    async function verify() {
        refill(record, h("p", { role: "status" }, _("Verifying")));
        const answer = await machine.ask("Verify").catch(error => ({ document: { error }, text: "" }));
        const { error, whole, flaws = [] } = answer.document;
        refill(record,
            error ? alert("danger", _("It cannot be verified"), foreign(error.message)) : h("p", { role: "status" }, recordLabel(whole)),
            flaws.map(flaw => h("p", {}, foreign(flaw.text))),
            answer.text && printed(_("What livefw prints"), answer.text),
            button(_("Verify the record"), "secondary", verify, { id: "history-verify" }));
    }

    return { update };
}

/** Rows of the history, newest first. */
export const pastTable = rows => rows.length === 0
    ? h("p", {}, _("There is nothing."))
    : table(_("History"), [_("When"), _("Component"), _("Outcome"), _("Version"), _("By"), _("Reason"), _("Evidence")], rows.map(each => [
        full(each.time),
        link(`#/component/${encodeURIComponent(each.component)}`, foreign(each.name || each.component)),
        each.outcome?.outcome ? outcomeLabel(each.outcome.outcome) : outcomeLabel("unknown"),
        foreign(versions(each)),
        foreign(each.actor.login || each.actor.user),
        foreign(each.reason || "-"),
        each.activation
            ? link(`#/activation/${each.activation}`, h("code", {}, each.activation.slice(0, 8)))
            : foreign(each.outcome?.text ?? "-"),
    ]));

/** Of rows that were shown before, those that come after a page of the newest; none if some between them are not known. */
function following(newest, known) {
    const first = row => (row.intent ?? row.outcome).sequence;
    const shown = new Set(newest.map(first));
    const others = known.filter(row => !shown.has(first(row)));
    return others.length < known.length ? others : [];
}

const versions = ({ intent, outcome }) => [
    version(intent?.current_version),
    version(intent?.pending_version ?? intent?.announced ?? outcome?.pending_version ?? outcome?.current_version),
].join(" → ");

function matches(row, { words, outcome }) {
    if (outcome && row.outcome?.outcome !== outcome)
        return false;
    const text = [row.name, row.component, row.actor.user, row.actor.login, row.reason, row.activation].join(" ").toLowerCase();
    return words.toLowerCase().split(/\s+/).every(word => text.includes(word));
}
