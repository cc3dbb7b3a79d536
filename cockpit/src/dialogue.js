// SPDX-License-Identifier: Apache-2.0
// A modal dialogue: the browser keeps the focus inside, closes it with Escape and gives the focus back.

import { h, refill } from "./dom.js";
import { title } from "./parts.js";
import { _ } from "./text.js";

export class Dialogue {
    /** Open one about a machine. "onclose" may be set to what is to be called when it has been closed. */
    constructor(machine, heading) {
        this.opener = document.activeElement?.id;
        this.onclose = () => {};
        this.body = h("div", { class: "pf-v6-c-modal-box__body livefw-dialogue-body", "aria-live": "polite" });
        this.acts = h("fieldset", { class: "livefw-acts" });
        this.lost = h("p", { role: "status", class: "livefw-hint" });
        this.foot = h("footer", { class: "pf-v6-c-modal-box__footer livefw-dialogue-foot" });
        this.node = h("dialog", { class: "pf-v6-c-modal-box livefw-dialogue", "aria-labelledby": "dialogue-title" },
            h("header", { class: "pf-v6-c-modal-box__header" }, title(1, heading, { id: "dialogue-title", dir: "auto" })),
            this.body, this.foot);
        this.node.addEventListener("close", () => this.#closed());
        document.body.append(this.node);
        this.node.showModal();
        const follow = () => {
            this.acts.disabled = machine.link === "lost";
            this.lost.textContent = machine.link === "lost" ? _("livefw's daemon does not answer") : "";
        };
        const forget = machine.subscribe(follow);
        const left = () => this.close();  // by a link in it, or by the browser's Back
        window.addEventListener("hashchange", left);
        this.forget = () => {
            forget();
            window.removeEventListener("hashchange", left);
        };
        follow();
    }

    /**
     * What is in it, the buttons that ask the daemon for something, and the one that closes it. The first of them has the
     * focus if nothing else has it any more.
     */
    show(body, acts, close) {
        refill(this.body, body);
        refill(this.acts, acts);
        refill(this.foot, acts.length > 0 && [this.acts, this.lost], close);
        if (!this.node.contains(document.activeElement) || document.activeElement === this.node)
            ([...acts, close].find(each => !each.matches(":disabled")) ?? this.node).focus();
    }

    close() {
        this.node.close();
    }

    #closed() {
        this.forget();
        this.node.remove();
        // What opened it may have been drawn anew meanwhile.
        document.getElementById(this.opener)?.focus();
        this.onclose();
    }
}
