// Pictures of every page in both themes and at phone width, to be looked at.
// Usage: node tests/web/shots.mjs build/web/dist FOLDER [NAME...]
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, openPage } from "./browser.mjs";
import { FakeApi } from "./fake_api.mjs";
import { emptyWorld, fakeWorld } from "./fake_world.mjs";

const [, , dist, folder, ...wanted] = process.argv;
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const full = await new FakeApi(dist, fakeWorld()).start();
const empty = await new FakeApi(dist, emptyWorld()).start();
const [shop, payments, search, failed] = full.world.rollouts.map((r) => r.id);

const PAGES = [
    ["overview", full, "#/"],
    ["rollouts", full, "#/rollouts"],
    ["rollout", full, `#/rollouts/${shop}`],
    ["rollout-blind", full, `#/rollouts/${payments}`],
    ["rollout-ask", full, `#/rollouts/${search}`],
    ["rollout-failed", full, `#/rollouts/${failed}`],
    ["ledger", full, "#/ledger"],
    ["ledger-entry", full, "#/ledger?seq=3"],
    ["targets", full, "#/targets"],
    ["empty", empty, "#/"],
    ["empty-rollouts", empty, "#/rollouts"],
];

mkdirSync(folder, { recursive: true });
const browser = await launch();
for (const [name, api, hash] of PAGES.filter(([name]) => wanted.length === 0 || wanted.includes(name))) {
    for (const [kind, colorScheme, viewport] of [
        ["dark", "dark", WIDE],
        ["light", "light", WIDE],
        ["phone", "light", PHONE],
    ]) {
        const { page, context, complaints } = await openPage(browser, `${api.url}/${hash}`, {
            colorScheme,
            viewport,
        });
        await page.waitForTimeout(700);
        await page.screenshot({ path: join(folder, `${name}-${kind}.png`), fullPage: true });
        complaints.forEach((c) => console.log(`${name} ${kind}: ${c}`));
        await context.close();
    }
}
await browser.close();
await full.stop();
await empty.stop();
