// SPDX-License-Identifier: Apache-2.0
// The dialogue that cancels what was begun and not completed, or removes a staged image.

import { Dialogue } from "./dialogue.js";
import { foreign, h } from "./dom.js";
import { ended } from "./outcome.js";
import { alert, button, field, input } from "./parts.js";
import { _, label, say } from "./text.js";

export function cancel(machine, component) {
    const dialogue = new Dialogue(machine, say(_("Cancel $0"), label(component)));
    const close = text => button(text, "link", () => dialogue.close(), { id: "cancel-close" });
    let reason = "";

    async function run() {
        dialogue.show([h("p", { role: "status" }, _("Asking the daemon"))], [], close(_("Close")));
        try {
            const options = reason ? { reason: { t: "s", v: reason } } : {};
            dialogue.show([ended(await machine.act("Cancel", "sa{sv}", [component.key, options]))], [], close(_("Close")));
        } catch (error) {
            dialogue.show([alert("danger", _("It could not be asked for"), foreign(error.message))], [], close(_("Close")));
        }
    }
    dialogue.show([
        h("p", {}, _("What was begun and not completed is cancelled, or the staged image is removed, as far as the mechanism can.")),
        field("cancel-reason", _("Reason"), input("cancel-reason", { maxlength: 1000, autocomplete: "off", oninput: event => { reason = event.target.value; } })),
    ], [button(_("Cancel it"), "danger", run, { id: "cancel-go" })], close(_("Keep it")));
}
