// SPDX-License-Identifier: Apache-2.0
// How something ended: what it means, what proves it, and what to do next.

import { foreign, h } from "./dom.js";
import { errorLabel, outcomeLabel } from "./label.js";
import { facts, folded, link, printed } from "./parts.js";
import { _, duration, say, version } from "./text.js";
import words from "./words.json";

/** Of what `Activate`, `Stage` or `Cancel` answered. */
export function ended({ document, text }) {
    const results = document.results ?? (document.staging ? [document.staging] : []);
    return h("div", { class: "livefw-ended" },
        results.map(result),
        document.error && results.length === 0 && failure(document.error),
        (document.not_started ?? []).length > 0 &&
            h("p", {}, say(_("Not started: $0"), document.not_started.map(each => each.name || each.component || each).join(", "))),
        folded("ended-text", _("What livefw prints"), printed(_("What livefw prints"), text)));
}

/** Of an error that is no outcome: the kind's exit code says what it is. */
export const failure = error => h("section", { class: "livefw-result" },
    h("p", {}, errorLabel(error.exit_code)),
    h("p", { class: "livefw-sentence" }, foreign(error.message)),
    h("p", { class: "livefw-next" }, h("strong", {}, _("What to do next:")), " ",
        foreign(error.hint || _(words.exit_codes[error.exit_code] ?? ""))));

/** Of one activation: a result, or the row of the history that was found for it. */
export function result(each) {
    const outcome = words.outcomes[each.outcome];
    const after = each.after?.current_version ?? each.current_version;
    const cost = each.measurement ?? each.cost;
    return h("section", { class: "livefw-result" },
        h("p", { class: "livefw-need-head" }, outcomeLabel(each.outcome), each.name && h("strong", {}, foreign(each.name))),
        h("p", { class: "livefw-sentence" }, foreign(each.text)),
        facts([
            [_("It means"), outcome && _(outcome.means)],
            [_("The machine now"), outcome && _(outcome.machine)],
            [_("Version"), after && foreign(each.before ? `${version(each.before.current_version)} → ${after}` : after)],
            [_("Longest stop of a CPU"), cost?.longest_ns > 0 && duration(cost.longest_ns)],
            [_("Firmware's code"), each.error?.firmware_code ?? each.claim?.firmware_code ?? each.firmware_code],
            [_("Code"), each.code],
            [_("Not recorded"), each.record?.trouble],
            [_("Evidence"), each.record?.activation && !each.record.trouble && link(`#/activation/${each.record.activation}`, each.record.activation)],
        ].map(([name, value]) => [name, value || null])),
        (each.problems ?? []).filter(problem => problem.weight !== "warning" && !problem.ignored).map(problem =>
            h("p", {}, foreign(problem.text), problem.hint && h("span", { class: "livefw-hint" }, foreign(problem.hint)))),
        h("p", { class: "livefw-next" }, h("strong", {}, _("What to do next:")), " ",
            foreign(each.hint || each.error?.hint || _(outcome?.advice ?? ""))));
}
