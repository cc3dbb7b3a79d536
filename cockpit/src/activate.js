// SPDX-License-Identifier: Apache-2.0
// The dialogue of an activation: what it would do, the question, what happens, and how it ended.
//
// It holds nothing that the activation needs. Closed, reloaded or cut off, the activation continues in a process of its
// own, and the history has its outcome.

import { Dialogue } from "./dialogue.js";
import { foreign, h, refill } from "./dom.js";
import { checkLabel } from "./label.js";
import { alert, button, field, input, printed } from "./parts.js";
import { ended, failure, result } from "./outcome.js";
import { _, label, say } from "./text.js";

/** Milliseconds between two looks at the machine while an outcome is waited for. */
const POLL_MS = 2000;

/** Ask about components by their keys; none of them is everything that is ready. */
export function activate(machine, keys) {
    const names = keys.map(key => label(machine.find(key) ?? { key }));
    const dialogue = new Dialogue(machine, names.length > 0 ? say(_("Activate $0"), names.join(", ")) : _("Activate all that are ready"));
    new Activation(machine, keys, dialogue).ask();
}

class Activation {
    constructor(machine, keys, dialogue) {
        Object.assign(this, { machine, keys, dialogue, ignored: new Set(), reason: "", fixed: [] });
    }

    /** Show the plan, with what may be changed about it. */
    async ask() {
        const { dialogue } = this;
        try {
            if (this.policy === undefined)
                this.policy = (await this.machine.ask("Policy")).document;
            const plan = await this.machine.ask("Plan", "asas", [this.keys, [...this.ignored]]);
            if (plan.document.error)
                dialogue.show([failure(plan.document.error)], [], this.#close());
            else
                this.#question(plan);
        } catch (error) {
            dialogue.show([alert("danger", _("There is no plan"), foreign(error.message))], [], this.#close());
        }
    }

    #question(plan) {
        const { steps } = plan.document;
        const blocks = each => each.weight !== "warning" && !each.ignored;
        // Of everything, what is blocked is left out; what was named is not.
        const chosen = this.keys.length > 0 ? steps : steps.filter(step => !step.problems.some(blocks));
        // What is shown is what is asked for: if another image becomes pending meanwhile, the daemon refuses it.
        this.shown = chosen.map(({ component }) => [component.key, component.pending_version ?? ""]);
        const problems = steps.flatMap(step => step.problems.map(each => ({ ...each, component: step.component })));
        const blocking = chosen.length > 0 ? chosen.flatMap(step => step.problems.filter(blocks)) : problems.filter(blocks);
        const left = steps.filter(step => !chosen.includes(step)).map(step => label(step.component));
        const go = button(_("Activate"), "primary", () => this.#run(),
            { id: "activate-go", disabled: blocking.length > 0 || chosen.length === 0, "aria-describedby": blocking.length > 0 && "activate-blocked" });
        this.dialogue.show([
            printed(_("Plan"), plan.text),
            problems.map(each => this.#problem(each)),
            left.length > 0 && h("p", {}, say(_("Left out, because a check blocks them: $0"), left.join(", "))),
            blocking.length > 0 && h("p", { id: "activate-blocked", class: "livefw-next" },
                say(_("Blocked by: $0"), [...new Set(blocking.map(each => each.check))].join(", "))),
            field("activate-reason", _("Reason"), input("activate-reason",
                { value: this.reason, maxlength: 1000, autocomplete: "off", oninput: event => { this.reason = event.target.value; } }),
            _("Kept in the history, such as the number of a ticket")),
        ], [go], button(_("Close"), "link", () => this.dialogue.close()));
    }

    #problem(problem) {
        const id = `ignore-${problem.check}-${problem.component.key}`;
        const toggle = event => {
            this.ignored[event.target.checked ? "add" : "delete"](problem.check);
            this.ask();
        };
        return h("div", { class: "livefw-problem" },
            h("p", {}, checkLabel(problem.weight), " ", h("strong", {}, problem.check), " ", foreign(problem.text)),
            problem.hint && h("p", { class: "livefw-hint" }, foreign(problem.hint)),
            this.#ignorable(problem) && h("div", { class: "pf-v6-c-check" },
                h("input", { id, type: "checkbox", class: "pf-v6-c-check__input", checked: this.ignored.has(problem.check), onchange: toggle }),
                h("label", { class: "pf-v6-c-check__label", for: id }, say(_("Ignore the check $0"), problem.check))));
    }

    /** Whether the policy lets anybody ignore a check; whether this user may is decided by the daemon. */
    #ignorable(problem) {
        const never = this.policy.values?.find(each => each.path === "never-ignore")?.value ?? "[]";
        return problem.weight === "error" && !never.includes(`"${problem.check}"`);
    }

    async #run() {
        const progress = new Progress(this.machine);
        const known = new Set(this.machine.past.map(row => row.activation));
        this.dialogue.show([progress.node], [], button(_("Close"), "secondary", () => this.dialogue.close()));
        const keys = this.shown.map(([key]) => key);
        const options = { to: { t: "as", v: this.shown.map(([, pending]) => pending) } };
        if (this.reason)
            options.reason = { t: "s", v: this.reason };
        if (this.ignored.size > 0)
            options.ignore = { t: "as", v: [...this.ignored] };
        try {
            const answer = await this.machine.act("Activate", "asa{sv}", [keys, options]);
            this.dialogue.show([ended(answer)], [], this.#close());
        } catch (error) {
            progress.lost(error.message);
            await this.#settle(keys, known);
        } finally {
            progress.end();
        }
    }

    /**
     * The connection was lost: wait until the machine is seen again and nothing of this runs or is open there, and show
     * what the history has that it had not before. Clocks are not compared: the browser's may be another.
     */
    async #settle(keys, known) {
        const { machine } = this;
        const rows = () => machine.past.filter(row => keys.includes(row.component) && !known.has(row.activation));
        const over = () => machine.link === "open" && rows().every(row => row.outcome) &&
            !machine.components.some(each => each.state.running || (keys.includes(each.key) && each.state.code === "unfinished"));
        await new Promise(resolve => {
            const end = () => {
                clearInterval(timer);
                forget();
                resolve();
            };
            const timer = setInterval(() => machine.link === "open" && machine.refresh(), POLL_MS);
            const forget = machine.subscribe(() => over() && end());
            this.dialogue.onclose = end;
        });
        const mine = rows();
        this.dialogue.show([
            alert("info", _("The connection was lost meanwhile"), _("This is from the history.")),
            mine.length > 0
                ? mine.map(row => result({ ...row.outcome, name: row.name, record: { activation: row.activation } }))
                : h("p", {}, _("The history has nothing new of it, and nothing runs now. Check the history again before another attempt.")),
        ], [], this.#close());
    }

    #close() {
        return button(_("Close"), "primary", () => this.dialogue.close(), { id: "activate-close" });
    }
}

/** What the daemon tells while it runs. */
class Progress {
    constructor(machine) {
        this.phase = h("p", { role: "status", "aria-live": "polite" }, _("Asking the daemon"));
        this.clock = h("p", { class: "livefw-hint", "aria-hidden": "true" });
        this.bar = h("progress", { "aria-label": _("Progress"), max: 100 });
        this.note = h("p", {}, _("This page may be closed or left: the activation continues, and the history has its outcome."));
        this.node = h("div", { class: "livefw-progress" }, this.bar, this.phase, this.clock, this.note);
        this.end = machine.listen(event => this.#event(event));
    }

    #event(event) {
        if (event.event === "begins")
            this.#say(say(_("$0: begins"), label(event.component)));
        else if (event.event === "progress")
            this.#progress(event);
        else if (event.event === "tick")
            this.clock.textContent = say(_("$0 s"), event.seconds);
        else if (event.event === "said")
            this.#say(event.text);
        else if (event.event === "attempt")
            this.#say(`${event.outcome ?? "?"}: ${event.text}`);
    }

    #progress({ phase, text, percent }) {
        this.#say([phase, text].filter(Boolean).join(": "));
        if (percent !== null)
            this.bar.setAttribute("value", percent);
        else
            this.bar.removeAttribute("value");
    }

    #say(text) {
        refill(this.phase, foreign(text));
    }

    lost(why) {
        refill(this.phase, _("The connection was lost; the activation continues. Waiting for the daemon."), " ", foreign(why));
    }
}
