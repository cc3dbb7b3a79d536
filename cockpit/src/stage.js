// SPDX-License-Identifier: Apache-2.0
// The dialogue that stages an image.

import { Dialogue } from "./dialogue.js";
import { h } from "./dom.js";
import { button } from "./parts.js";
import { _, label, say } from "./text.js";

export function stage(_machine, component) {
    const dialogue = new Dialogue(say(_("Stage an image for $0"), label(component)));
    dialogue.show([h("p", {}, _("Stage it at a terminal:")), h("code", {}, `livefw stage ${component.key} FILE`)],
        [button(_("Close"), "primary", () => dialogue.close())]);
}
