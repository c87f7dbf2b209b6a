// The unit tests beside the code: each *.test.ts is bundled and run by node's own runner.
import { buildSync } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = dirname(fileURLToPath(import.meta.url));
const sources = readdirSync(join(web, "src")).filter((name) => name.endsWith(".test.ts"));
const out = mkdtempSync(join(tmpdir(), "cqed-web-"));
try {
    buildSync({
        absWorkingDir: web,
        entryPoints: sources.map((name) => join("src", name)),
        outdir: out,
        outExtension: { ".js": ".mjs" },
        bundle: true,
        platform: "node",
        format: "esm",
        target: "node18",
        sourcemap: "inline",
        // Node 18 has WebCrypto, but not under the browsers' name.
        banner: { js: 'import { webcrypto } from "node:crypto"; globalThis.crypto ??= webcrypto;' },
    });
    const files = sources.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
    const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], {
        stdio: "inherit",
    });
    process.exitCode = status ?? 1;
} finally {
    rmSync(out, { recursive: true });
}
