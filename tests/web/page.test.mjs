// The built page in a real browser, against a stand-in server: WEB_DIST names the folder of the bundle.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { launch, openPage, seriousFindings } from "./browser.mjs";
import { FakeApi } from "./fake_api.mjs";
import { emptyWorld, evidence, fakeWorld } from "./fake_world.mjs";
import { App, LedgerView, Overview, RolloutList, RolloutView, TargetsView } from "./pages.mjs";

const DIST = process.env.WEB_DIST;
assert.ok(DIST, "WEB_DIST must name the folder of the built page (build/web/dist)");

let browser;
let api;
let opened;

before(async () => {
    browser = await launch();
});
after(async () => {
    await browser?.close();
});

/** A browser page on a stand-in server; afterEach demands that it complained about nothing but `allowed`. */
async function open(hash, { world = fakeWorld(), allowed = [], ...options } = {}) {
    api = await new FakeApi(DIST, world).start();
    opened = { ...(await openPage(browser, `${api.url}/${hash}`, options)), allowed };
    opened.page.setDefaultTimeout(20_000);
    return opened.page;
}

beforeEach(() => {
    opened = null;
});
afterEach(async () => {
    const complaints = (opened?.complaints ?? []).filter((c) => !opened.allowed.some((pattern) => pattern.test(c)));
    await opened?.context.close();
    await api?.stop();
    assert.deepEqual(complaints, []);
});

async function textOf(locator) {
    return (await locator.innerText()).replaceAll("\u202f", " ").replaceAll("\u00a0", " ");
}

/** Until text fits; Playwright's own expect() is not a part of playwright-core. */
async function untilText(locator, pattern, ms = 20_000) {
    const end = Date.now() + ms;
    let last = "";
    while (Date.now() < end) {
        last = await textOf(locator).catch((error) => error.message);
        if (pattern.test(last)) {
            return last;
        }
        await new Promise((done) => setTimeout(done, 50));
    }
    assert.fail(`waited ${ms} ms for ${pattern}; the last text was: ${last}`);
}

describe("overview", () => {
    test("services show objective, ratio, budget, burn and freshness", async () => {
        const page = await open("#/");
        const overview = new Overview(page);
        const shop = overview.slo("shop-availability");
        const text = await textOf(shop.self);
        for (const part of [
            "99.64 %",
            "target 99 %",
            "64 % of the budget left",
            "0.31×",
            "0.42×",
            "0.37×",
            "8 712 bad of 2 419 805",
        ]) {
            assert.ok(text.includes(part), `'${part}' is missing in: ${text}`);
        }
        assert.match(await textOf(shop.freshness), /^data \d/);
        assert.equal(await overview.services.count(), 3);
    });

    test("overspent budgets and stale data are told in words", async () => {
        const page = await open("#/");
        const payments = new Overview(page).slo("payments-availability");
        assert.match(await textOf(payments.budget), /−58 % of the budget left, overspent/);
        assert.match(await textOf(payments.freshness), /^stale: data 1 min 3\d s old/);
    });

    test("what is not known is a dash", async () => {
        const page = await open("#/");
        const search = await textOf(new Overview(page).slo("search-availability").self);
        assert.match(search, /–/);
        assert.match(search, /no data seen yet/);
        assert.doesNotMatch(search, /NaN|null|undefined/);
    });

    test("a service leads to its rollout", async () => {
        const page = await open("#/");
        await new Overview(page).service("payments").locator("a").first().click();
        await new RolloutView(page).isIn("paused");
    });

    test("a gate can be asked, and its answer is in the ledger", async () => {
        const page = await open("#/", { allowed: [/status of 404/] });
        const overview = new Overview(page);
        await overview.gate("pre-deploy").ask.click();
        const { answer } = overview.gate("pre-deploy");
        await untilText(answer, /insufficient[\s\S]*exit code 3[\s\S]*queue-depth[\s\S]*no event in 5 min/);
        assert.deepEqual(await seriousFindings(page), []);
        await overview.gate("forgotten").ask.click();
        await untilText(overview.gate("forgotten").self, /there is no gate 'forgotten'/);
        await answer.locator("a").click();
        await new LedgerView(page).entry(api.world.ledger.entries.length - 1).self.waitFor();
    });

    test("an answer that makes no sense breaks one page, not all", async () => {
        const world = fakeWorld();
        world.rollouts[0].steps = null;
        const page = await open(`#/rollouts/${world.rollouts[0].id}`, { world });
        await untilText(new App(page).empty, /cannot be drawn/);
        await new App(page).goto("#/targets");
        await new TargetsView(page).targets.first().waitFor();
    });

    test("with no services it says what to do next", async () => {
        const page = await open("#/", { world: emptyWorld() });
        assert.match(await textOf(new App(page).empty), /scrape_configs[\s\S]*OpenSLO[\s\S]*cqed rollout start/);
    });
});

describe("rollouts", () => {
    test("live and past ones are listed apart", async () => {
        const page = await open("#/rollouts");
        const list = new RolloutList(page);
        await list.live.first().waitFor();
        assert.equal(await list.live.count(), 3);
        assert.equal(await list.past.count(), 2);
        assert.match(await textOf(list.past.first()), /rolled back[\s\S]*at least 1\.88 % worse/);
    });

    test("a rollout shows step, split, evidence and history", async () => {
        const page = await open("#/");
        await new App(page).goto(`#/rollouts/${api.world.rollouts[0].id}`);
        const view = new RolloutView(page);
        await view.isIn("progressing");
        assert.equal(await textOf(view.headline), "Holding at 25 %");
        assert.match(await textOf(view.steps.nth(1)), /25 %[\s\S]*held \d+ s of 1 min/);
        assert.match(await textOf(view.split("measured")), /24\.6 %/);
        const check = view.check("shop-availability");
        assert.equal(await textOf(check.badge), "pass");
        assert.match(await textOf(check.self), /18 234[\s\S]*6 102/);
        assert.match(await check.interval.getAttribute("aria-label"), /interval -0\.32.%.to 0\.58.%, tolerance 1.%/);
        await check.self.locator("canvas").waitFor();
        assert.match(await textOf(view.moments.first()), /ann · skip hold[\s\S]*same image ran in staging/);
    });

    test("each of the five evidence states has its own word and its own shape", async () => {
        const page = await open("#/");
        const shapes = new Map();
        for (const rollout of api.world.rollouts) {
            await new App(page).goto(`#/rollouts/${rollout.id}`);
            for (const e of rollout.snapshot.checks) {
                const { badge } = new RolloutView(page).check(e.check);
                assert.equal(await textOf(badge), e.state);
                shapes.set(e.state, await badge.locator("svg").innerHTML());
            }
        }
        assert.deepEqual([...shapes.keys()].sort(), ["blind", "error", "fail", "insufficient", "pass"]);
        assert.equal(new Set(shapes.values()).size, 5);
    });

    test("a blind rollout shows lowered automation and why traffic is not known", async () => {
        const page = await open("#/");
        await new App(page).goto(`#/rollouts/${api.world.rollouts[1].id}`);
        const view = new RolloutView(page);
        await untilText(view.automation, /approve[\s\S]*lowered from full/);
        assert.match(await textOf(view.split("observed")), /–[\s\S]*no such file/);
        assert.match(await textOf(view.check("queue-depth").sentence), /cannot be answered/);
    });

    test("one that was rolled back leads with the cause", async () => {
        const page = await open("#/");
        await new App(page).goto(`#/rollouts/${api.world.rollouts[3].id}`);
        const view = new RolloutView(page);
        await untilText(view.headline, /Rolled back to v2/);
        await untilText(view.cause, /at least 1\.88 % worse/);
        assert.equal(await view.button("abort").count(), 0, "what has ended cannot be aborted");
    });

    test("a service's name leads to its newest rollout", async () => {
        const page = await open("#/rollouts/payments");
        const view = new RolloutView(page);
        await view.isIn("paused");
        await page.waitForURL(`**/#/rollouts/${api.world.rollouts[1].id}`);
        await untilText(view.moments.last(), /asked for/);
    });

    test("one that does not exist says so", async () => {
        const page = await open("#/rollouts/nothing", { allowed: [/status of 404/] });
        await untilText(new App(page).empty, /no rollout 'nothing'/);
    });

    test("curves can be switched to the difference", async () => {
        const page = await open("#/");
        await new App(page).goto(`#/rollouts/${api.world.rollouts[0].id}`);
        const { curves } = new RolloutView(page).check("shop-availability");
        await untilText(curves, /canary[\s\S]*stable/);
        await curves.getByRole("button", { name: "Difference" }).click();
        await untilText(curves, /low[\s\S]*high[\s\S]*effect[\s\S]*tolerated/);
        await curves.getByRole("button", { name: "Evidence" }).click();
        await untilText(curves, /ln evidence of harm[\s\S]*shown at/);
    });
});

describe("live", () => {
    test("a rollback arrives by an event, without a reload", async () => {
        const page = await open("#/");
        const { id } = api.world.rollouts[0];
        await new App(page).goto(`#/rollouts/${id}`);
        await new App(page).isLive();
        const view = new RolloutView(page);
        await view.isIn("progressing");
        api.change(id, (r) => {
            Object.assign(r.state, { state: "rolling_back", desiredPct: 0 });
            r.verdict = "rollback";
            r.reasons = [{ code: "harm_shown", sentence: "the canary is at least 2 % worse" }];
            r.snapshot.checks[0] = evidence("shop-availability", "fail", { effect: 0.03, low: 0.02, high: 0.05 });
        });
        await view.isIn("rolling_back");
        assert.equal(await textOf(view.headline), "Rolling back to v2");
        assert.equal(await textOf(view.check("shop-availability").badge), "fail");
        const seq = api.record("decision", id, { decision: { verdict: "rollback", reasons: [] } });
        api.change(id, (r) =>
            r.history.push({
                seq,
                atMs: Date.now(),
                verdict: "rollback",
                sentence: "harm is shown",
                weightPct: 0,
                state: "rolling_back",
            }),
        );
        api.record("intent", id, { intent: "x/1/0", weightPct: 0, actuator: "haproxy" });
        await untilText(view.moments.nth(1), /rollback · 0 %[\s\S]*harm is shown/);
        assert.match(await page.title(), /Rolling back/);
    });

    test("an answer that an event overtook does not bring the past back", async () => {
        const page = await open("#/");
        const { id } = api.world.rollouts[0];
        await new App(page).goto(`#/rollouts/${id}`);
        await new App(page).isLive();
        const view = new RolloutView(page);
        await view.isIn("progressing");
        let release;
        api.holdBack = new Promise((done) => (release = done));
        const asked = page.waitForRequest((request) => request.url().endsWith(id));
        const answered = page.waitForResponse((response) => response.url().endsWith(id));
        api.record("gate", id, {}); // the page asks for the rollout anew
        await asked;
        await new Promise((done) => setTimeout(done, 100)); // the question is with the server
        api.change(id, (r) => {
            r.state.state = "rolled_back";
            r.state.desiredPct = 0;
        });
        await view.isIn("rolled_back");
        release();
        await answered;
        await page.waitForTimeout(200);
        assert.equal(await textOf(view.headline), "Rolled back to v2");
        assert.equal(await view.state.getAttribute("data-state"), "rolled_back");
    });

    test("new services appear by themselves", async () => {
        const page = await open("#/", { world: emptyWorld() });
        await new App(page).isLive();
        api.world.services = fakeWorld().services;
        api.publish("services", api.services());
        await new Overview(page).service("shop").waitFor();
    });

    test("a lost stream is shown, comes back, and fetches what was missed", async () => {
        const page = await open("#/", { allowed: [/status of 503/, /ERR_INCOMPLETE_CHUNKED_ENCODING/] });
        const app = new App(page);
        await app.isLive();
        api.refuseEvents = true;
        api.dropStreams();
        await app.isLive("reconnecting");
        api.world.services[0].slos[0].budgetRemaining = 0.11;
        api.refuseEvents = false;
        await app.isLive();
        await untilText(new Overview(page).slo("shop-availability").budget, /11 %/);
    });

    test("what the ledger took while the stream was lost is in the timeline afterwards", async () => {
        const page = await open("#/", { allowed: [/status of 503/, /ERR_INCOMPLETE_CHUNKED_ENCODING/] });
        const { id } = api.world.rollouts[0];
        await new App(page).goto(`#/rollouts/${id}`);
        await new App(page).isLive();
        const view = new RolloutView(page);
        await untilText(view.moments.first(), /ann · skip hold/);
        api.refuseEvents = true;
        api.dropStreams();
        await new App(page).isLive("reconnecting");
        api.record("human", id, { act: { kind: "pause", actor: "eve", reason: "nobody saw this" } });
        api.refuseEvents = false;
        await untilText(view.moments.first(), /eve · pause[\s\S]*nobody saw this/);
    });

    test("resync fetches anew", async () => {
        const page = await open("#/rollouts");
        await new App(page).isLive();
        api.world.rollouts.pop();
        api.publish("resync", {});
        await page.waitForFunction(() => document.querySelectorAll('[data-testid="past-rollouts"] a').length === 1);
    });
});

describe("acts", () => {
    async function openShop() {
        const page = await open("#/", { allowed: [/status of 409/] });
        await new App(page).goto(`#/rollouts/${api.world.rollouts[0].id}`);
        return { page, view: new RolloutView(page) };
    }

    test("a pause needs a name and a reason, and is sent with both", async () => {
        const { view } = await openShop();
        const dialog = await view.ask("pause", { reason: "   ", actor: "ann" });
        assert.equal(await dialog.submit.isDisabled(), true, "blank is no reason");
        await dialog.cancel.click();
        const again = await view.ask("pause", { reason: "looking at a customer's report" });
        await again.actor.fill("ann");
        await again.submit.click();
        await view.isIn("paused");
        assert.deepEqual(api.acts, [
            { kind: "pause", actor: "ann", reason: "looking at a customer's report", role: "operator", full: false },
        ]);
        assert.equal(await again.self.count(), 0, "the dialog is closed");
        assert.equal(await view.button("resume").count(), 1);
    });

    test("the name is remembered", async () => {
        const { page, view } = await openShop();
        const first = await view.ask("skip_hold", { actor: "ann", reason: "seen enough" });
        await first.submit.click();
        await first.self.waitFor({ state: "detached" });
        await page.reload();
        const second = await view.ask("promote", { reason: "all the way", full: true });
        assert.equal(await second.actor.inputValue(), "ann");
        await second.submit.click();
        await second.self.waitFor({ state: "detached" });
        assert.equal(api.acts.at(-1).full, true);
    });

    test("a refusal is shown in the server's words", async () => {
        const page = await open("#/", { allowed: [/status of 409/] });
        await new App(page).goto(`#/rollouts/${api.world.rollouts[2].id}`);
        const dialog = await new RolloutView(page).ask("approve", { actor: "bob", reason: "mine, and good" });
        await dialog.submit.click();
        await untilText(dialog.refusal, /approve by bob is refused: the author of a change cannot approve it/);
        await page.keyboard.press("Escape");
        await dialog.self.waitFor({ state: "detached" });
    });

    test("the dialog can be used by keyboard alone", async () => {
        const { page, view } = await openShop();
        await view.button("abort").focus();
        await page.keyboard.press("Enter");
        await page.locator('[data-testid="act-reason"]:focus').waitFor();
        await page.keyboard.type("wrong build");
        await page.keyboard.press("Tab");
        await page.keyboard.type("ann");
        await page.keyboard.press("Enter");
        await page.locator('[data-testid="act-dialog"]').waitFor({ state: "detached" });
        assert.equal(api.acts[0].kind, "abort");
    });
});

describe("ledger", () => {
    test("entries are listed newest first, and older ones on demand", async () => {
        const page = await open("#/ledger");
        const ledger = new LedgerView(page);
        const last = api.world.ledger.entries.length - 1;
        await ledger.entry(last).self.waitFor();
        assert.equal(await ledger.entries.first().getAttribute("data-seq"), String(last));
        assert.equal(await ledger.entries.count(), 50);
        await ledger.older.click();
        await ledger.entry(0).self.waitFor();
        assert.equal(await ledger.entries.count(), last + 1);
    });

    test("a new entry comes by itself", async () => {
        const page = await open("#/ledger");
        const ledger = new LedgerView(page);
        await ledger.entries.first().waitFor();
        await new App(page).isLive();
        const seq = api.record("gate", "pre-deploy", {
            state: "fail",
            reasons: [{ code: "x", sentence: "too little budget" }],
        });
        await untilText(ledger.entry(seq).self, /fail: too little budget/);
    });

    test("an entry shows its body and is proven in the browser", async () => {
        const page = await open("#/ledger?seq=3");
        const entry = new LedgerView(page).entry(3);
        await untilText(entry.body, /"actuator": "haproxy"/);
        await entry.prove.click();
        await untilText(entry.result, /Checked in your browser/);
        assert.equal(await entry.result.getAttribute("data-outcome"), "good");
        assert.equal(await entry.steps.count(), 3);
    });

    test("a changed entry is found out by the browser, alone and with all", async () => {
        const world = fakeWorld();
        world.tamper = (e) => (e.seq === 3 ? { ...e, body: { ...e.body, weightPct: 50 } } : e);
        const page = await open("#/ledger?seq=3", { world });
        const ledger = new LedgerView(page);
        await ledger.entry(3).prove.click();
        await untilText(ledger.entry(3).result, /does not hold/);
        await ledger.proveAll.click();
        await untilText(ledger.proveAllResult, /does not hold/);
        assert.match(
            await textOf(page.locator('[data-testid="proof-step"]').filter({ hasText: "entry 3" }).first()),
            /does not give its leaf hash/,
        );
    });

    test("the whole ledger is recomputed in the browser", async () => {
        const page = await open("#/ledger");
        const ledger = new LedgerView(page);
        await ledger.proveAll.click();
        await untilText(ledger.proveAllResult, /Checked in your browser: the whole ledger/);
    });

    test("a checkpoint of another key is found out", async () => {
        const world = fakeWorld();
        const other = emptyWorld().ledger;
        world.ledger.verifierKey = () => other.verifierKey();
        const page = await open("#/ledger", { world });
        const ledger = new LedgerView(page);
        await ledger.proveAll.click();
        await untilText(ledger.proveAllResult, /does not hold/);
    });

    test("a browser that knows no Ed25519 says what it could not check", async () => {
        const page = await open("#/ledger");
        await page.evaluate(() => {
            SubtleCrypto.prototype.importKey = () => Promise.reject(new DOMException("", "NotSupportedError"));
        });
        const ledger = new LedgerView(page);
        await ledger.proveAll.click();
        await untilText(ledger.proveAllResult, /Partly checked in your browser/);
        assert.equal(await ledger.proveAllResult.getAttribute("data-outcome"), "open");
    });

    test("Verify asks the server and shows what it says", async () => {
        const page = await open("#/ledger");
        const ledger = new LedgerView(page);
        await ledger.verify.click();
        await untilText(ledger.verifyResult, /Verified: 6\d of 6\d entries/);
        api.world.verification = {
            ok: false,
            checked: 17,
            size: 62,
            root: "00",
            findings: ["entry 17: edited: its leaf does not fit"],
        };
        await ledger.verify.click();
        await untilText(ledger.findings.first(), /entry 17: edited/);
        assert.equal(await ledger.verifyResult.getAttribute("data-ok"), "false");
    });

    test("one subject can be looked at alone", async () => {
        const page = await open("#/ledger");
        const { id } = api.world.rollouts[1];
        const ledger = new LedgerView(page);
        await ledger.subject.selectOption(id);
        await page.waitForFunction(() => document.querySelectorAll('[data-testid="ledger-entry"]').length === 4);
    });
});

describe("targets and frame", () => {
    test("a target that is down shows its last error", async () => {
        const page = await open("#/targets");
        const { targets } = new TargetsView(page);
        await targets.first().waitFor();
        assert.equal(await targets.count(), 3);
        assert.match(await textOf(targets.last()), /down[\s\S]*connection refused/);
        await untilText(new App(page).statusLine, /cQED 0\.1\.0[\s\S]*2 of 3 targets up[\s\S]*ledger 6\d/);
    });

    test("the theme follows the system, the button changes it, and it is remembered", async () => {
        const page = await open("#/", { colorScheme: "light" });
        const app = new App(page);
        const light = await app.theme();
        await app.themeToggle.click();
        const dark = await app.theme();
        assert.notEqual(dark, light);
        await page.reload();
        await app.isLive();
        assert.equal(await app.theme(), dark);
        await app.themeToggle.click();
        assert.equal(await app.theme(), light);
    });

    test("a server that is gone is told in words", async () => {
        const page = await open("#/", {
            allowed: [/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET/],
        });
        const app = new App(page);
        await app.isLive();
        await api.stop();
        await app.isLive("reconnecting");
        assert.match(await textOf(new Overview(page).service("shop")), /Availability/, "what was known stays");
    });
});

describe("everyone can use it", () => {
    const PHONE = { width: 360, height: 740 };

    /** Names as people really give them. */
    function longWorld() {
        const world = fakeWorld();
        const [rollout] = world.rollouts;
        const service = "checkout-and-payments-orchestration-service-eu-central-1";
        Object.assign(world.services[0], { service });
        Object.assign(rollout.state, {
            service,
            canaryVersion: "sha256-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b",
        });
        rollout.snapshot.checks[0].check = `${service}-availability-of-orders`;
        rollout.snapshot.checks[0].sentence = `nothing is heard from ${"x".repeat(80)}`;
        world.services[0].slos[0].name = `${service}-availability-of-orders`;
        return world;
    }
    const hashes = (world) => [
        "#/",
        "#/rollouts",
        ...world.rollouts.map((r) => `#/rollouts/${r.id}`),
        "#/ledger?seq=3",
        "#/targets",
    ];

    for (const [name, options] of [
        ["dark", { colorScheme: "dark" }],
        ["light", { colorScheme: "light" }],
        ["phone", { colorScheme: "light", viewport: PHONE }],
    ]) {
        test(`axe finds nothing serious, and nothing is wider than the screen: ${name}`, async () => {
            const page = await open("#/", { world: longWorld(), ...options });
            for (const hash of hashes(api.world)) {
                await new App(page).goto(hash);
                await page.waitForTimeout(300);
                assert.deepEqual(await seriousFindings(page), [], hash);
                const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                assert.ok(overflow <= 0, `${hash} is ${overflow} px too wide`);
            }
        });
    }

    test("axe finds nothing serious in the dialog and on the empty page", async () => {
        const page = await open("#/");
        await new App(page).goto(`#/rollouts/${api.world.rollouts[0].id}`);
        await new RolloutView(page).ask("promote", { reason: "x", actor: "ann" });
        assert.deepEqual(await seriousFindings(page), []);
        await page.goto("about:blank");
        api.world = emptyWorld();
        await page.goto(`${api.url}/#/rollouts`);
        await new App(page).empty.waitFor();
        assert.deepEqual(await seriousFindings(page), []);
    });
});
