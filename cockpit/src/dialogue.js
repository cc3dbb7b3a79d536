// SPDX-License-Identifier: Apache-2.0
// A modal dialogue: the browser keeps the focus inside, closes it with Escape and gives the focus back.

import { h, refill } from "./dom.js";
import { title } from "./parts.js";

export class Dialogue {
    /** Open one. "onclose" may be set to what is to be called when it has been closed. */
    constructor(heading) {
        this.opener = document.activeElement?.id;
        this.onclose = () => {};
        this.body = h("div", { class: "pf-v6-c-modal-box__body livefw-dialogue-body", "aria-live": "polite" });
        this.foot = h("footer", { class: "pf-v6-c-modal-box__footer" });
        this.node = h("dialog", { class: "pf-v6-c-modal-box livefw-dialogue", "aria-labelledby": "dialogue-title" },
            h("header", { class: "pf-v6-c-modal-box__header" }, title(1, heading, { id: "dialogue-title", dir: "auto" })),
            this.body, this.foot);
        this.node.addEventListener("close", () => this.#closed());
        document.body.append(this.node);
        this.node.showModal();
    }

    /** What is in it, and the buttons below. The first button has the focus if nothing else has it any more. */
    show(body, buttons) {
        refill(this.body, body);
        refill(this.foot, buttons);
        if (!this.node.contains(document.activeElement) || document.activeElement === this.node)
            (buttons.find(each => !each.disabled) ?? this.node).focus();
    }

    close() {
        this.node.close();
    }

    #closed() {
        this.node.remove();
        // What opened it may have been drawn anew meanwhile.
        document.getElementById(this.opener)?.focus();
        this.onclose();
    }
}
