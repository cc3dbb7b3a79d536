// SPDX-License-Identifier: Apache-2.0
// Translations as Cockpit reads them, from a file of GNU gettext's. No plural forms, contexts or flags: there are none here.

/** Messages of a .po file, as a map from the English text to its translation. An Error names the line of a mistake. */
export function messages(text) {
    const found = new Map();
    let id = null;
    let into = null;
    const parts = { msgid: "", msgstr: "" };
    const keep = () => {
        if (id !== null && into === "msgstr")
            found.set(parts.msgid, parts.msgstr);
    };
    for (const [index, line] of text.split("\n").entries()) {
        const [, keyword, quoted] = /^(?:(msgid|msgstr) )?("(?:[^"\\]|\\.)*")$/.exec(line) ?? [];
        if (quoted === undefined) {
            if (line !== "" && !line.startsWith("#"))
                throw new Error(`line ${index + 1}: ${line}`);
            continue;
        }
        if (keyword === "msgid") {
            keep();
            id = index;
        }
        if (keyword) {
            into = keyword;
            parts[into] = "";
        }
        parts[into] += JSON.parse(quoted);
    }
    keep();
    return found;
}

/** The script that hands the translations to Cockpit. */
export function compiled(text, language) {
    const head = { "plural-forms": "@plural@", language, "language-direction": "ltr" };
    const all = Object.fromEntries([...messages(text)].filter(([id, translated]) => id && translated)
        .map(([id, translated]) => [id, [null, translated]]));
    const json = JSON.stringify({ "": head, ...all }).replace('"@plural@"', "n => n != 1");
    return `cockpit.locale(${json});\n`;
}
