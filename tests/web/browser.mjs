// Headless Chromium, and what every test wants to know of a page: what it complained about, what axe finds.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

// The libraries live in web/node_modules, for all that drives the page.
const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

export const CHROMIUM = process.env.CQED_CHROMIUM ?? "/usr/bin/chromium";

const ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

export async function launch() {
    if (!existsSync(CHROMIUM)) {
        throw new Error(`${CHROMIUM} is missing: 'make deps' installs chromium, CQED_CHROMIUM names another one`);
    }
    return chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGS });
}

/** Open a page that keeps its complaints: console errors, exceptions, CSP violations, failed loads. */
export async function openPage(browser, url, { colorScheme = "dark", viewport = { width: 1280, height: 900 } } = {}) {
    const context = await browser.newContext({ colorScheme, viewport, reducedMotion: "reduce" });
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") {
            complaints.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
        }
    });
    page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
    await page.exposeFunction("reportViolation", (text) => complaints.push(`csp: ${text}`));
    await page.addInitScript(() => {
        addEventListener("securitypolicyviolation", (e) =>
            window.reportViolation(`${e.violatedDirective} ${e.blockedURI}`),
        );
    });
    await page.goto(url);
    return { page, context, complaints };
}

/** What axe-core finds that is serious or critical, as text lines. */
export async function seriousFindings(page) {
    const { source } = require("axe-core");
    await page.evaluate(source);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    return violations
        .filter((v) => v.impact === "serious" || v.impact === "critical")
        .flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary}`));
}
