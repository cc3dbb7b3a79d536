// SPDX-License-Identifier: Apache-2.0
// What is known of the machine: the truth is the daemon's, and is asked for anew after every event and every loss.

import { Channel } from "./channel.js";

const cockpit = window.cockpit;
/** Milliseconds before a lost daemon is asked again; systemd starts it with the first connection. */
const RETRY_MS = [500, 1000, 2000, 5000];
/** Milliseconds between two looks at whether it is still there: Cockpit does not tell when such a connection ends. */
const PULSE_MS = 3000;

export class Machine {
    /**
     * link: "opening", "open" or "lost"; trouble: why it is lost. components, past (the newest activations of all) and
     * version and incoming (its directory for images) are what the daemon answered last. job: what runs now, by the daemon's events. admin: whether Cockpit has
     * administrative access; null while that is not known.
     */
    constructor() {
        Object.assign(this, { channel: null, link: "opening", trouble: "", components: null, past: [], notes: [], version: "", incoming: "",
                              job: null, admin: null, listError: null });
        this.listeners = new Set();
        this.heard = new Set();
        this.losses = 0;
        this.permission = cockpit.permission({ admin: true });
        this.permission.addEventListener("changed", () => this.#set({ admin: this.permission.allowed }));
        this.admin = this.permission.allowed;
    }

    /** Call "changed" after each change; what it returns ends that. */
    subscribe(changed) {
        this.listeners.add(changed);
        return () => this.listeners.delete(changed);
    }

    /** Call "heard" with each event of the daemon; what it returns ends that. */
    listen(heard) {
        this.heard.add(heard);
        return () => this.heard.delete(heard);
    }

    /** Look at the machine from now on, without any rights. */
    async open() {
        const channel = new Channel({ closed: why => this.#lost(channel, why) });
        this.channel = channel;
        try {
            await channel.watch(event => this.#event(event));
            const { Version, Incoming } = await channel.properties();
            await this.#read(channel);
            this.losses = 0;
            this.pulse = setInterval(() => this.#check(channel), PULSE_MS);
            this.#set({ link: "open", trouble: "", version: Version, incoming: Incoming ?? "" });
        } catch (error) {
            this.#lost(channel, error.message);
        }
    }

    /** An answer of the daemon, as `Channel.ask`; nothing in it needs a right. */
    async ask(member, signature, args) {
        if (this.channel === null)
            throw new Error(this.trouble);
        return await this.channel.ask(member, signature, args);
    }

    /** Ask for everything anew. However often this is called meanwhile, it is asked once more and not each time. */
    async refresh() {
        if (this.refreshing) {
            this.again = true;
            return;
        }
        this.refreshing = true;
        try {
            do {
                this.again = false;
                await this.#read(this.channel);
            } while (this.again);
            this.#set({});
        } catch {
            this.#check(this.channel);
        } finally {
            this.refreshing = false;
        }
    }

    /**
     * Do something that needs rights: as an administrator where Cockpit has that access, else as the user that is logged
     * in, about whom the daemon decides and says so.
     */
    async act(member, signature, args) {
        const privileged = new Channel({ superuser: "require" });
        try {
            return await privileged.ask(member, signature, args);
        } catch (error) {
            if (!["access-denied", "authentication-failed", "not-supported"].includes(error.problem))
                throw error;
            return await this.ask(member, signature, args);
        } finally {
            privileged.close();
            this.#check(this.channel);
            this.refresh();
        }
    }

    find(key) {
        return this.components?.find(each => each.key === key);
    }

    async #read(channel) {
        const [list, history] = await Promise.all([channel.ask("List"), channel.ask("History", "ss", ["", ""])]);
        Object.assign(this, {
            components: list.document.components ?? [], listError: list.document.error ?? null,
            notes: list.document.notes ?? [], past: history.document.history ?? [],
        });
    }

    #event(event) {
        if (event.event === "begins")
            this.job = { verb: event.verb, component: event.component, began: Date.now(), phase: "", text: "", percent: null };
        else if (event.event === "progress" && this.job)
            Object.assign(this.job, { phase: event.phase, text: event.text, percent: event.percent });
        else if (event.event === "end")
            this.job = null;
        for (const heard of [...this.heard])
            heard(event);
        if (["begins", "attempt", "settled", "end", "changed"].includes(event.event))
            this.refresh();
    }

    #check(channel) {
        channel?.properties().catch(error => this.#lost(channel, error.message));
    }

    #lost(channel, why) {
        if (channel !== this.channel)
            return;
        this.channel = null;
        clearInterval(this.pulse);
        channel.close();
        this.job = null;
        this.#set({ link: "lost", trouble: why });
        setTimeout(() => this.open(), RETRY_MS[Math.min(this.losses++, RETRY_MS.length - 1)]);
    }

    #set(values) {
        Object.assign(this, values);
        for (const changed of [...this.listeners])
            changed();
    }
}

/** The newest activation of a component in rows that are newest first; refusals change nothing and do not count. */
export const lastOf = (past, key) =>
    past.find(row => row.component === key && row.own !== false && (!row.outcome || row.outcome.outcome !== "refused"));
