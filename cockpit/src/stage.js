// SPDX-License-Identifier: Apache-2.0
// The dialogue that stages an image from the computer of the person at the browser.
//
// No descriptor can be passed over Cockpit's channels. The image is written into a directory of the daemon's, which only
// root can enter, and named to the daemon without a path; the daemon removes it (src/livefw/daemon/upload/incoming.py).

import { Dialogue } from "./dialogue.js";
import { foreign, h } from "./dom.js";
import { ended } from "./outcome.js";
import { alert, button, field, input } from "./parts.js";
import { _, label, say } from "./text.js";

const cockpit = window.cockpit;
/** What the daemon takes at most. */
const MOST_BYTES = 128 * 1024 * 1024;

export function stage(machine, component) {
    const dialogue = new Dialogue(machine, say(_("Stage an image for $0"), label(component)));
    const close = text => button(text, "link", () => dialogue.close(), { id: "stage-close" });
    const file = h("input", { id: "stage-file", type: "file", onchange: () => { go.disabled = file.files.length === 0; } });
    const reason = input("stage-reason", { maxlength: 1000, autocomplete: "off" });
    const go = button(_("Stage"), "primary", () => run(file.files[0], reason.value), { id: "stage-go", disabled: true });

    async function run(image, why) {
        dialogue.show([
            h("progress", { "aria-label": _("Progress") }),
            h("p", { role: "status" }, say(_("Handing over $0"), image.name)),
        ], [], close(_("Close")));
        try {
            if (image.size > MOST_BYTES)
                throw new Error(_("The image is larger than 128 MiB."));
            const name = await upload(machine.incoming, image);
            const options = { filename: { t: "s", v: image.name } };
            if (why)
                options.reason = { t: "s", v: why };
            dialogue.show([ended(await machine.act("StageIncoming", "ssa{sv}", [component.key, name, options]))], [], close(_("Close")));
        } catch (error) {
            dialogue.show([alert("danger", _("The image is not staged as far as this page knows"), foreign(error.message),
                h("p", {}, _("The component shows whether an image is pending.")))], [], close(_("Close")));
        }
    }
    dialogue.show([
        field("stage-file", _("Image or .cab archive"), file),
        field("stage-reason", _("Reason"), reason, _("Kept in the history, such as the number of a ticket")),
        machine.incoming === "" && alert("warning", _("This daemon takes no image from a browser"),
            h("code", {}, `livefw stage ${component.key} FILE`)),
    ], machine.incoming === "" ? [] : [go], close(_("Close")));
}

/** Write an image into the daemon's directory; its name there. */
async function upload(directory, image) {
    const name = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const data = new Uint8Array(await image.arrayBuffer());
    const file = cockpit.file(`${directory}/${name}`, { binary: true, superuser: "try" });
    try {
        await file.replace(data);
    } finally {
        file.close();
    }
    return name;
}
