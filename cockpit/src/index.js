// SPDX-License-Identifier: Apache-2.0
// The page: which view is shown, and what is always there.

import "./index.css";
import { activate } from "./activate.js";
import { cancel } from "./cancel.js";
import { foreign, h, refill } from "./dom.js";
import { Machine } from "./machine.js";
import { alert } from "./parts.js";
import { stage } from "./stage.js";
import { _, label, say } from "./text.js";
import { follow } from "./theme.js";
import { activation } from "./views/activation.js";
import { component } from "./views/component.js";
import { history } from "./views/history.js";
import { overview } from "./views/overview.js";
import { policy } from "./views/policy.js";

const cockpit = window.cockpit;
/** By the first part of the path behind the hash. */
const VIEWS = { "": overview, component, history, activation, policy };
const TABS = [["", "Overview"], ["history", "History"], ["policy", "Policy"]];
/** What shows a tab as the one that is open, of views without a tab. */
const UNDER = { component: "", activation: "history" };

class Page {
    constructor(root) {
        this.machine = new Machine();
        this.tabs = h("nav", { class: "livefw-tabs", "aria-label": _("Views") });
        this.status = h("div", { "aria-live": "polite" });
        // All of it can be read and none of it used while the daemon does not answer.
        this.content = h("fieldset", { class: "livefw-content" });
        this.main = h("main", { class: "livefw-main", tabindex: -1 }, this.content);
        root.append(this.tabs, this.status, this.main);
        this.machine.subscribe(() => this.#changed());
        window.addEventListener("hashchange", () => this.#show());
        this.#show();
        this.#changed();
        this.machine.open();
    }

    #show() {
        const [name, argument] = route();
        const view = VIEWS[name];
        const { machine } = this;
        const actions = {
            activate: keys => activate(machine, keys),
            stage: item => stage(machine, item),
            cancel: item => cancel(machine, item),
        };
        refill(this.tabs, TABS.map(([path, text]) => h("a", { href: `#/${path}`, class: "livefw-tab", id: `tab-${path}`,
            "aria-current": (UNDER[name] ?? name) === path && "page" }, _(text))));
        this.content.replaceChildren();
        this.view = view(this.content, machine, actions, argument);
        if (machine.link !== "opening")  // what was seen last is there while the daemon does not answer
            this.view.update();
        window.scrollTo(0, 0);
    }

    #changed() {
        refill(this.status, status(this.machine));
        this.content.disabled = this.machine.link === "lost";
        if (this.machine.link === "open")
            this.view?.update();
    }
}

/** The name of the view that the address asks for, which is the overview where there is no such view, and what it is about. */
function route() {
    const [name, argument = ""] = location.hash.replace(/^#\/?/, "").split("/");
    try {
        return Object.hasOwn(VIEWS, name) ? [name, decodeURIComponent(argument)] : ["", ""];
    } catch {
        return ["", ""];
    }
}

/** What is to be known in every view. */
function status({ link, trouble, admin, job }) {
    return [
        link === "opening" && h("p", { class: "livefw-count" }, _("Connecting to livefw's daemon")),
        link === "lost" && alert("warning", _("livefw's daemon does not answer"), foreign(trouble),
            h("p", {}, _("What is shown may be out of date. An activation that runs continues without it. The page asks again by itself.")),
            h("p", {}, _("If it was never enabled:"), " ", h("code", {}, "sudo systemctl enable --now livefwd.socket")),
            h("p", {}, _("If it was:"), " ", h("code", {}, "livefw doctor"))),
        job && alert("info", say(_("Running now: $0"), job.verb), foreign(label(job.component)), " ", [job.phase, job.text].filter(Boolean).join(": ")),
        link === "open" && admin === false && alert("custom", _("Limited access"),
            _("You see everything. Activation needs administrative access, which Cockpit has in its top bar, or membership in the group livefw.")),
    ];
}

follow();
cockpit.transport.wait(() => {
    document.title = _("Live firmware");
    document.documentElement.lang = (cockpit.language || "en").replace("_", "-");
    new Page(document.getElementById("app"));
});
