// SPDX-License-Identifier: Apache-2.0
// livefw's daemon, over Cockpit's own D-Bus channels: no program is run and nothing is parsed but JSON documents.

import words from "./words.json";

const { interface: INTERFACE, path: PATH } = words.daemon;
const cockpit = window.cockpit;

/**
 * Where the daemon listens. The package says so in its manifest, which an administrator changes as any of Cockpit's, in
 * /etc/cockpit/livefw.override.json; a page cannot.
 */
const address = () => cockpit.manifests?.livefw?.config?.address ?? words.daemon.address;

/** A call that could not be served: "problem" is Cockpit's word for why, empty if the daemon itself says so. */
export class CallError extends Error {
    constructor(error) {
        super(reason(error.message || String(error)));
        this.problem = error.problem ?? "";
    }
}

/** Cockpit's bridge hands over the whole traceback of what it did not expect, such as a connection that has ended. */
const reason = text => text.startsWith("Traceback ") ? text.trim().split("\n").at(-1) : text;

/** One connection; "closed" is called with Cockpit's word for why, once. */
export class Channel {
    constructor({ superuser, closed = () => {} } = {}) {
        this.client = cockpit.dbus(null, { bus: "none", address: address(), ...(superuser && { superuser }) });
        this.client.addEventListener("close", (_event, options) => closed(options.message || options.problem || ""));
    }

    /** What a method answers, as a list. CallError. */
    async call(member, signature = "", args = [], on = INTERFACE) {
        try {
            return await this.client.call(PATH, on, member, args, { type: signature });
        } catch (error) {
            throw new CallError(error);
        }
    }

    /** The document, the text and the exit code that a method of livefw answers. CallError. */
    async ask(member, signature = "", args = []) {
        const [json, text, exitCode] = await this.call(member, signature, args);
        return { document: JSON.parse(json), text, exitCode };
    }

    /** The properties of the daemon. CallError. */
    async properties() {
        const [all] = await this.call("GetAll", "s", [INTERFACE], "org.freedesktop.DBus.Properties");
        return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, value.v]));
    }

    /** Call "heard" with each event from now on. CallError. */
    async watch(heard) {
        this.client.subscribe({ interface: INTERFACE, path: PATH, member: "Event" },
            (_path, _interface, _name, [json]) => heard(JSON.parse(json)));
        await this.call("Watch", "b", [true]);
    }

    close() {
        this.client.close();
    }
}
