// SPDX-License-Identifier: Apache-2.0
// One activation with its evidence: what was asked, what was seen, and what it cost each CPU.

import { foreign, h, refill } from "../dom.js";
import { outcomeLabel } from "../label.js";
import { alert, card, facts, folded, link, printed, title } from "../parts.js";
import { plot } from "../plot.js";
import { downloads } from "../report.js";
import { _, duration, full, version } from "../text.js";
import words from "../words.json";

export function activation(root, machine, _actions, id) {
    const body = h("div");
    root.append(h("p", {}, link("#/history", _("History"))), body);

    async function update() {
        try {
            const answer = await machine.ask("Report", "asss", [[id], "", ""]);
            const row = answer.document.activations?.[0];
            if (row)
                refill(body, content(row, answer, machine));
            else
                refill(body, alert("warning", _("The history has no such activation"), foreign(answer.document.error?.message ?? id)));
        } catch (error) {
            if (machine.link === "open")
                refill(body, alert("danger", _("It cannot be shown"), foreign(error.message)));
        }
    }
    return { update };
}

function content(row, answer, machine) {
    const intent = row.intent ?? {};
    const outcome = row.outcome ?? {};
    const means = words.outcomes[outcome.outcome];
    const cost = outcome.cost;
    return [
        h("div", { class: "livefw-heading" }, title(1, row.name || row.component, { dir: "auto" }), outcomeLabel(outcome.outcome ?? "unknown")),
        h("p", { class: "livefw-sentence" }, foreign(outcome.text ?? _("It has no outcome yet."))),
        card(_("Judgement"), facts([
            [_("It means"), means && _(means.means)],
            [_("The machine then"), means && _(means.machine)],
            [_("Code"), outcome.code],
            [_("Version before"), foreign(version(intent.current_version))],
            [_("Version announced"), foreign(version(intent.announced))],
            [_("Version after"), foreign(version(outcome.current_version))],
        ])),
        card(_("Evidence"), facts([
            [_("The mechanism said"), outcome.said],
            [_("The log shows"), outcome.witness],
            [_("Firmware's code"), outcome.firmware_code],
            [_("System error"), outcome.errno],
            [_("Ignored checks"), (intent.ignored ?? []).join(", ")],
            [_("Checks that warned"), (intent.warned ?? []).join(", ")],
        ]), (outcome.log ?? []).length > 0 && printed(_("Kernel log"), outcome.log.join("\n"))),
        card(_("Request"), facts([
            [_("By"), foreign(row.actor.login || row.actor.user)],
            [_("From"), row.actor.face],
            [_("When"), full(row.time)],
            [_("Reason"), row.reason && foreign(row.reason)],
            [_("Activation"), row.activation],
            [_("Component"), link(`#/component/${encodeURIComponent(row.component)}`, foreign(row.component))],
            [_("Hash of the row"), outcome.hash && h("code", { class: "livefw-hash" }, outcome.hash)],
        ])),
        cost && card(_("Stops of the CPUs"), facts([
            [_("Longest"), duration(cost.longest_ns ?? 0)],
            [_("Just before"), cost.baseline_ns !== null && cost.baseline_ns !== undefined && duration(cost.baseline_ns)],
            [_("CPUs"), String(cost.cpus)],
            [_("Measured by"), foreign([cost.source, cost.note].filter(Boolean).join("; "))],
        ].map(([name, value]) => [name, value || null])), (cost.rows ?? []).length > 0 && plot(cost)),
        card(_("Report"), downloads(machine, row.activation),
            folded("report-text", _("What livefw prints"), printed(_("Report"), answer.text))),
    ];
}
