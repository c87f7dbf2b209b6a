// Bundle the page. Usage: node web/build.mjs FOLDER
//
// Writes FOLDER/dist (the files as a browser gets them), FOLDER/web_assets.c (the same, compressed, as the table of
// src/serve/web_assets.h) and FOLDER/web_assets.d (what it was all made of, for ninja).
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const web = dirname(fileURLToPath(import.meta.url));
const LIMIT_BYTES = 60_000;

const TYPES = {
    html: "text/html; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    css: "text/css; charset=utf-8",
    svg: "image/svg+xml",
};

/** The plain bytes of every file of the page, by its path, and the sources they came from. */
async function bundle() {
    const result = await build({
        absWorkingDir: web,
        entryPoints: { app: "src/main.tsx", theme: "src/theme.ts" },
        outdir: "/",
        bundle: true,
        write: false,
        metafile: true,
        minify: true,
        format: "iife",
        target: ["es2022"],
        jsx: "automatic",
        jsxImportSource: "preact",
        legalComments: "none",
        logLevel: "warning",
    });
    const files = new Map(result.outputFiles.map((f) => [`/${relative("/", f.path)}`, Buffer.from(f.contents)]));
    const sources = Object.keys(result.metafile.inputs).map((path) => resolve(web, path));
    for (const name of ["index.html", "favicon.svg"]) {
        const path = join(web, "src", name);
        files.set(`/${name}`, readFileSync(path));
        sources.push(path);
    }
    return { files, sources };
}

function asBytes(buffer) {
    const lines = [];
    for (let i = 0; i < buffer.length; i += 24) {
        lines.push([...buffer.subarray(i, i + 24)].join(","));
    }
    return lines.join(",\n");
}

function asTable(assets) {
    const arrays = assets.map((a, i) => `static const uint8_t bytes_${i}[] = {\n${asBytes(a.gzip)}};\n`);
    const rows = assets.map(
        (a, i) => `    {"${a.path}", "${a.type}", "\\"${a.hash}\\"", bytes_${i}, sizeof bytes_${i}},\n`,
    );
    return `/* Made by web/build.mjs. */
#include "serve/web_assets.h"

${arrays.join("\n")}
const struct web_asset web_assets[] = {
${rows.join("")}};
const size_t web_n_assets = ${assets.length};
`;
}

function asAsset([path, bytes]) {
    const gzip = gzipSync(bytes, { level: 9 });
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    return { path, gzip, hash, type: TYPES[path.split(".").pop()] };
}

async function main(out) {
    const { files, sources } = await bundle();
    const assets = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(asAsset);
    const total = assets.reduce((sum, a) => sum + a.gzip.length, 0);
    if (total > LIMIT_BYTES) {
        throw new Error(`the page is ${total} bytes compressed, the limit is ${LIMIT_BYTES}`);
    }
    mkdirSync(join(out, "dist"), { recursive: true });
    for (const [path, bytes] of files) {
        writeFileSync(join(out, "dist", path), bytes);
    }
    writeFileSync(join(out, "web_assets.c"), asTable(assets));
    writeFileSync(join(out, "web_assets.d"), `${join(out, "web_assets.c")}: ${sources.sort().join(" \\\n  ")}\n`);
    console.log(`page: ${assets.length} files, ${(total / 1024).toFixed(1)} KiB compressed`);
}

const folder = process.argv[2];
if (!folder) {
    console.error("usage: node web/build.mjs FOLDER");
    process.exit(2);
}
main(resolve(folder)).catch((error) => {
    console.error(`web: ${error.message}`);
    process.exit(1);
});
