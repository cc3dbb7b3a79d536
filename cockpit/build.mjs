// SPDX-License-Identifier: Apache-2.0
// Builds the page: node build.mjs DIRECTORY, which gets what is installed as /usr/share/cockpit/livefw.
// SOURCE_DATE_EPOCH has no say: equal sources give equal bytes.

import { build } from "esbuild";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { PurgeCSS } from "purgecss";
import { compiled } from "./po.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
/** Bytes of everything that is installed, each file compressed. */
const MOST = 80 * 1024;
/** The fonts that PatternFly would bring. */
const OWN_FONT = /@font-face\{[^}]*\.\/assets\/[^}]*\}/g;

const target = process.argv[2];
if (!target)
    throw new Error("usage: node build.mjs DIRECTORY");
await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });

await build({
    entryPoints: [join(HERE, "src/index.js")],
    outdir: target,
    bundle: true,
    minify: true,
    legalComments: "eof",
    format: "iife",
    target: ["es2022"],
    external: ["*.woff2", "*.svg"],  // Cockpit's fonts; pictures of themes that trim() leaves out
    logLevel: "warning",
});
await trim(join(target, "index.css"));
for (const file of ["src/index.html", "manifest.json"])
    await copyFile(join(HERE, file), join(target, basename(file)));
for (const file of (await readdir(join(HERE, "po"))).filter(each => each.endsWith(".po"))) {
    const language = basename(file, ".po");
    await writeFile(join(target, `po.${language}.js`), compiled(await readFile(join(HERE, "po", file), "utf8"), language));
}
await weigh();

/** Leave out the rules and the variables of PatternFly that nothing here uses: most of what there is. */
async function trim(file) {
    const [{ css }] = await new PurgeCSS().purge({
        content: [join(target, "index.js"), join(HERE, "src/index.html")],
        css: [{ raw: (await readFile(file, "utf8")).replaceAll(OWN_FONT, "") }],
        // Modifiers are named by their last word in the sources, headings by their level.
        defaultExtractor: text => (text.match(/[\w-]+/g) ?? []).flatMap(word => [word, `pf-m-${word}`, `pf-m-${word}-on-md`]),
        safelist: ["pf-v6-theme-dark", "h1", "h2", "h3"],
        variables: true,
        keyframes: true,
    });
    await writeFile(file, css);
}

async function weigh() {
    let sum = 0;
    for (const name of await readdir(target))
        sum += gzipSync(await readFile(join(target, name))).length;
    if (sum > MOST)
        throw new Error(`${sum} bytes, and ${MOST} is the limit`);
    process.stdout.write(`${target}: ${sum} bytes, compressed\n`);
}
