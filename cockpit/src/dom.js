// SPDX-License-Identifier: Apache-2.0
// Elements, made by calls. There is no way from a text to markup here: whatever firmware is called, it stays a text.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; properties that begin with "on" are listeners, those that are null, undefined or false are left out. */
export const h = (name, properties, ...children) => filled(document.createElement(name), properties, children);

/** An element of a picture. */
export const svg = (name, properties, ...children) =>
    filled(document.createElementNS(SVG, name), properties, children);

/** A text that was written elsewhere, in a direction of its own: what is beside it keeps its place. */
export const foreign = text => h("bdi", {}, text);

function filled(node, properties, children) {
    for (const [name, value] of Object.entries(properties ?? {})) {
        if (value === null || value === undefined || value === false)
            continue;
        if (name.startsWith("on"))
            node.addEventListener(name.slice(2), value);
        else
            node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...present(children));
    return node;
}

/**
 * Put other children into an element. Where the focus was on one with an id, and which details were open, is as before.
 */
export function refill(node, ...children) {
    const focused = node.contains(document.activeElement) ? document.activeElement.id : "";
    const open = new Map([...node.querySelectorAll("details[id]")].map(each => [each.id, each.open]));
    node.replaceChildren(...present(children));
    for (const each of node.querySelectorAll("details[id]"))
        each.open = open.get(each.id) ?? each.open;
    if (focused)
        document.getElementById(focused)?.focus({ preventScroll: true });
}

const present = children => children.flat(Infinity).filter(each => each !== null && each !== undefined && each !== false);
