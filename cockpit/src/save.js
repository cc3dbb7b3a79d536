// SPDX-License-Identifier: Apache-2.0
// A file for the person at the browser, made here.

import { h } from "./dom.js";

export function save(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const anchor = h("a", { href: url, download: name });
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
