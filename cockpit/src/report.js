// SPDX-License-Identifier: Apache-2.0
// The report as a file for the person at the browser, in each of its forms.

import { foreign, h, refill } from "./dom.js";
import { alert, button } from "./parts.js";
import { _ } from "./text.js";

/** Milliseconds for which the browser may read what it saves. */
const KEPT_MS = 10_000;

/** What downloads a report about everything, or about one activation by its id. */
export function downloads(machine, ...ids) {
    const trouble = h("div", { "aria-live": "polite" });

    async function download(form) {
        try {
            const { document, text } = await machine.ask("ReportAs", "assss", [ids, "", "", form]);
            if (document.error)
                throw new Error(document.error.message);
            save(`livefw-${ids[0] ?? `report-${document.about.time.slice(0, 10)}`}.${form}`, text);
            refill(trouble);
        } catch (error) {
            refill(trouble, alert("danger", _("There is no report"), foreign(error.message)));
        }
    }
    const forms = [
        ["html", _("Download the report as HTML")], ["md", _("Download the report as text")], ["json", _("Download the report as JSON")],
    ];
    return [
        h("div", { class: "livefw-actions" }, forms.map(([form, text]) => button(text, "link pf-m-inline", () => download(form), { id: `report-${form}` }))),
        trouble,
    ];
}

/** Its type is one that no browser shows: as a page it would be one of Cockpit's own origin. */
function save(name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
