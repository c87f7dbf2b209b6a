// The page as a test sees it: every selector is here, by data-testid, once. Other suites drive the real server's page
// through the same objects.

const id = (name) => `[data-testid="${name}"]`;

export class App {
    constructor(page) {
        this.page = page;
        this.connection = page.locator(id("connection"));
        this.trouble = page.locator(id("trouble"));
        this.statusLine = page.locator(id("statusline"));
        this.themeToggle = page.locator(id("theme-toggle"));
        this.empty = page.locator(id("empty"));
    }

    nav(name) {
        return this.page.locator(id(`nav-${name}`));
    }

    async goto(hash) {
        await this.page.evaluate((to) => (location.hash = to), hash);
    }

    /** Until the event stream is open; the element says "connecting", "live" or "reconnecting". */
    async isLive(state = "live") {
        await this.page.locator(`${id("connection")}[data-state="${state}"]`).waitFor();
    }

    theme() {
        return this.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    }
}

export class Overview {
    constructor(page) {
        this.page = page;
        this.services = page.locator(id("service"));
    }

    service(name) {
        return this.page.locator(`${id("service")}[data-service="${name}"]`);
    }

    gate(name) {
        const gate = this.page.locator(`${id("gate")}[data-gate="${name}"]`);
        return { self: gate, ask: gate.locator(id("ask-gate")), answer: gate.locator(id("gate-answer")) };
    }

    slo(name) {
        const slo = this.page.locator(`${id("slo")}[data-slo="${name}"]`);
        return { self: slo, budget: slo.locator(id("budget")), freshness: slo.locator(id("freshness")) };
    }
}

export class RolloutList {
    constructor(page) {
        this.live = page.locator(`${id("live-rollouts")} ${id("rollout-row")}`);
        this.past = page.locator(`${id("past-rollouts")} ${id("rollout-row")}`);
    }
}

export class RolloutView {
    constructor(page) {
        this.page = page;
        this.self = page.locator(id("rollout-page"));
        this.state = this.self.locator(id("rollout-state")).first();
        this.verdict = page.locator(id("verdict"));
        this.headline = page.locator(id("verdict-headline"));
        this.reasons = page.locator(`${id("reasons")} li`);
        this.cause = page.locator(id("cause"));
        this.automation = page.locator(id("automation"));
        this.steps = page.locator(id("step"));
        this.checks = page.locator(id("check"));
        this.moments = page.locator(id("moment"));
    }

    /** Until the rollout is in a state, as named by the API: "rolled_back". */
    async isIn(state, timeout = 30_000) {
        await this.self
            .locator(`${id("rollout-state")}[data-state="${state}"]`)
            .first()
            .waitFor({ timeout });
    }

    split(name) {
        return this.page.locator(id(`split-${name}`));
    }

    check(name) {
        const card = this.page.locator(`${id("check")}[data-check="${name}"]`);
        return {
            self: card,
            badge: card.locator(id("evidence-badge")),
            sentence: card.locator(id("check-sentence")),
            wouldChange: card.locator(id("would-change")),
            interval: card.locator(id("interval")),
            curves: card.locator(id("curves")),
            freshness: card.locator(id("freshness")),
        };
    }

    button(act) {
        return this.page.locator(id(`act-${act}`));
    }

    /** Open the dialog of an act and fill it in; `submit()` sends it. */
    async ask(act, { actor, reason, full = false }) {
        await this.button(act).click();
        const dialog = this.page.locator(id("act-dialog"));
        if (reason !== undefined) {
            await dialog.locator(id("act-reason")).fill(reason);
        }
        if (actor !== undefined) {
            await dialog.locator(id("act-actor")).fill(actor);
        }
        if (full) {
            await dialog.locator(id("act-full")).check();
        }
        return {
            self: dialog,
            actor: dialog.locator(id("act-actor")),
            submit: dialog.locator(id("act-submit")),
            cancel: dialog.locator(id("act-cancel")),
            refusal: dialog.locator(id("act-refusal")),
        };
    }
}

export class LedgerView {
    constructor(page) {
        this.page = page;
        this.entries = page.locator(id("ledger-entry"));
        this.verify = page.locator(id("verify"));
        this.verifyResult = page.locator(id("verify-result"));
        this.findings = page.locator(`${id("verify-findings")} li`);
        this.proveAll = page.locator(id("prove-all"));
        this.proveAllResult = page.locator(id("prove-all-result"));
        this.older = page.locator(id("ledger-older"));
        this.subject = page.locator(id("ledger-subject"));
        this.checkpoint = page.locator(id("checkpoint"));
    }

    entry(seq) {
        const row = this.page.locator(`${id("ledger-entry")}[data-seq="${seq}"]`);
        return {
            self: row,
            expand: row.locator(id("expand-entry")),
            body: row.locator(id("entry-body")),
            prove: row.locator(id("prove-entry")),
            steps: row.locator(id("proof-step")),
            result: row.locator(id("proof-result")),
        };
    }
}

export class TargetsView {
    constructor(page) {
        this.targets = page.locator(id("target"));
    }
}
