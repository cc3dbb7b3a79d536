// SPDX-License-Identifier: Apache-2.0
// Times, versions and costs as texts.

import words from "./words.json";

const cockpit = window.cockpit;
/** The translation of a text. */
export const _ = text => cockpit.gettext(text);
/** The same with $0, $1 and so on filled in. */
export const say = (text, ...values) => cockpit.format(cockpit.gettext(text), ...values);

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** How long ago a time was, as in "3 days ago"; the time itself where it is none. */
export function ago(time) {
    const seconds = (Date.now() - Date.parse(time)) / 1000;
    if (Number.isNaN(seconds))
        return time;
    const [unit, length] = UNITS.find(each => Math.abs(seconds) >= each[1]) ?? UNITS.at(-1);
    return new Intl.RelativeTimeFormat(language(), { numeric: "always" }).format(-Math.round(seconds / length), unit);
}

/** A time in full, with the name of its zone. */
export function full(time) {
    const moment = new Date(time);
    return Number.isNaN(moment.getTime())
        ? time
        : moment.toLocaleString(language(), { dateStyle: "medium", timeStyle: "long" });
}

/** A number of nanoseconds in a unit that fits. */
export function duration(ns) {
    if (ns < 1e3)
        return `${ns} ns`;
    const [factor, unit] = ns < 1e6 ? [1e3, "us"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
    return `${Number((ns / factor).toPrecision(3))} ${unit}`;
}

/** What a component is called: by its name, or else the beginning of its id. */
export const label = component => component.name || component.short_id || component.key;

/** What its activation stops. */
export const stops = cost => _(words.restarts[cost.restart] ?? words.stops[cost.rendezvous ?? ""] ?? words.stops[""]);

/** A version, or a dash where none is reported. */
export const version = text => text ?? "-";

const language = () => (cockpit.language || "en").replace("_", "-");
