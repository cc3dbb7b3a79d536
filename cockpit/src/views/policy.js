// SPDX-License-Identifier: Apache-2.0
// The settings that hold here. They are changed in livefw.toml, by who may write it.

import { foreign, h, refill } from "../dom.js";
import { alert, card, facts, marked, printed, table, title } from "../parts.js";
import { _, full } from "../text.js";

export function policy(root, machine) {
    const body = h("div");
    root.append(title(1, _("Policy")), body);

    async function update() {
        try {
            const { document, text } = await machine.ask("Policy");
            refill(body, document.error ? alert("danger", _("It cannot be read"), foreign(document.error.message)) : content(document, text));
        } catch (error) {
            if (machine.link === "open")
                refill(body, alert("danger", _("It cannot be read"), foreign(error.message)));
        }
    }
    return { update };
}

const content = (document, text) => [
    (document.mistakes ?? []).map(each => alert("danger", _("A mistake in livefw.toml"), foreign(each.text ?? JSON.stringify(each)))),
    card(_("As it holds"), facts([
        [_("File"), document.file ? foreign(document.file) : _("there is none: the defaults hold")],
        [_("Maintenance window"), windowText(document)],
    ]), printed(_("Policy"), text)),
    card(_("Settings"), table(_("Settings"), [_("Setting"), _("Value"), _("Set"), _("Meaning")], document.values.map(each => [
        h("code", {}, foreign(each.path)), h("code", {}, foreign(each.value ?? "-")),
        each.set ? _("in livefw.toml") : _("default"), marked(help(document.keys, each.key))]))),
    card(_("Checks"), table(_("Checks"), [_("Check"), _("Effect"), _("What has to be so")], (document.checks ?? []).map(each => [
        h("code", {}, each.name), each.weight === "warning" ? _("Warning") : _("Blocks"), marked(_(each.about))]))),
];

const help = (keys, key) => _(keys.find(each => each.path === key)?.help ?? "");

function windowText({ window, windows }) {
    if (windows.length === 0)
        return _("none is set: always open");
    if (window.open)
        return window.closes ? `${_("open until")} ${full(window.closes)}` : _("open");
    return window.opens ? `${_("closed until")} ${full(window.opens)}` : _("closed");
}
