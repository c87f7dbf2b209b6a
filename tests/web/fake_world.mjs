// Canned data in the contract's shapes: one service that is well, one that is not, one that nobody has heard of yet,
// and rollouts in every situation that the page has to show. Numbers that are not known come as null and as "NaN".
import { FakeLedger } from "./fake_ledger.mjs";

const DAY_MS = 86_400_000;

export function evidence(check, state, more = {}) {
    return {
        check,
        kind: "ratio",
        state,
        critical: true,
        unit: "ratio",
        effect: 0.0011,
        low: -0.0032,
        high: 0.0058,
        tolerate: 0.01,
        stable: { total: 18234, bad: 41 },
        canary: { total: 6102, bad: 21 },
        harmLogE: 0.42,
        harmLogLimit: 3.6889,
        minimumDetectableEffect: 0.0071,
        freshMs: 800,
        observedMs: 61_000,
        query: `cqed_sli_good_total, cqed_sli_total{slo="${check}",version=~"v2|v3"}`,
        code: "all_pass",
        sentence: "the canary is at most 0.58 % worse, 1 % is tolerated",
        wouldChange: "about 40 more bad canary requests",
        ...more,
    };
}

const unknown = {
    effect: null,
    low: null,
    high: "NaN",
    harmLogE: "NaN",
    harmLogLimit: null,
    minimumDetectableEffect: null,
};

export const traffic = (measured) =>
    evidence("traffic", "pass", {
        ...unknown,
        kind: "traffic",
        unit: "percent",
        effect: measured - 25,
        tolerate: 6.4,
        code: "split_as_configured",
        sentence: `${measured} % of requests are on the canary, 25 % are configured`,
        wouldChange: "a split that telemetry and the actuator do not agree on",
    });

function slo(name, displayName, more = {}) {
    return {
        name,
        displayName,
        description: "",
        kind: "ratio",
        target: 0.99,
        windowMs: 28 * DAY_MS,
        good: 2_411_093,
        bad: 8712,
        total: 2_419_805,
        ratio: 0.9964,
        budgetRemaining: 0.64,
        burn: { "5m": 0.31, "1h": 0.42, "6h": 0.37 },
        freshMs: 800,
        partial: false,
        ...more,
    };
}

function rollout(id, service, more = {}, state = {}) {
    const now = Date.now();
    return {
        id,
        policy: service,
        state: {
            id,
            service,
            canaryVersion: "v3",
            stableVersion: "v2",
            author: "ci",
            changeKind: "normal",
            state: "progressing",
            step: 1,
            desiredPct: 25,
            allowedPct: 25,
            createdMs: now - 95_000,
            desiredSinceMs: now - 32_000,
            stepSinceMs: now - 31_000,
            endedMs: 0,
            automation: "full",
            pauseCode: "",
            pausedByHuman: false,
            actuatorFailing: false,
            skipHold: false,
            deadlineTaken: false,
            proposedPct: -1,
            proposedSinceMs: 0,
            approvals: [],
            blindSinceMs: 0,
            unobservedSinceMs: 0,
            decisions: 4,
            ...state,
        },
        steps: [
            { weightPct: 5, holdMs: 30_000 },
            { weightPct: 25, holdMs: 60_000 },
            { weightPct: 50, holdMs: 120_000 },
            { weightPct: 100, holdMs: 0 },
        ],
        verdict: "hold",
        reasons: [{ code: "hold_not_over", sentence: "held 31 s of 60 s" }],
        snapshot: snapshot([
            evidence("shop-availability", "pass"),
            evidence("shop-latency", "insufficient", {
                kind: "latency",
                effect: 0.0042,
                low: -0.0098,
                high: 0.0184,
                harmLogE: 1.91,
                code: "not_proven",
                sentence: "nothing wrong is seen; up to 1.84 % more slow requests are still possible",
                wouldChange: "about 1 900 more canary requests like these",
            }),
            evidence("memory", "pass", {
                ...unknown,
                kind: "query",
                unit: "bytes",
                effect: 318_767_104,
                tolerate: 536_870_912,
                query: 'max(container_memory_working_set_bytes{service="shop",version="v3"})',
                code: "within_limit",
                sentence: "the value is 3.18767e+08; it must be below 5.36871e+08",
                wouldChange: "a value below 5.36871e+08",
            }),
            traffic(24.6),
        ]),
        history: [],
        ...more,
    };
}

function snapshot(checks, exposure = {}) {
    const atMs = Date.now();
    return {
        atMs,
        checks,
        exposure: { known: true, observedPct: 25, measuredPct: 24.6, capacityOk: true, atMs, error: "", ...exposure },
        budgetRemaining: 0.64,
        telemetryAgeMs: 800,
    };
}

function blindRollout() {
    return rollout(
        "payments-20261124T060010-11c2d3",
        "payments",
        {
            verdict: "pause",
            reasons: [
                { code: "stale", sentence: "nothing was heard from v8 for 34 s; the limit is 15 s" },
                {
                    code: "automation_lowered",
                    sentence: "automation is lowered from full to approve until telemetry is back",
                },
            ],
            snapshot: snapshot(
                [
                    evidence("payments-availability", "blind", {
                        ...unknown,
                        freshMs: 34_000,
                        canary: { total: 0, bad: 0 },
                        code: "stale",
                        sentence: "nothing was heard from v8 for 34 s; the limit is 15 s",
                        wouldChange: "telemetry of both arms, newer than the policy's limit",
                    }),
                    evidence("queue-depth", "error", {
                        ...unknown,
                        kind: "query",
                        unit: "1",
                        tolerate: 100,
                        query: 'max(queue_depth{service="payments"',
                        code: "query_failed",
                        sentence: "the query cannot be answered: 1:35: expected '}'",
                        wouldChange: "a question that can be answered",
                    }),
                    evidence("payments-refunds", "fail", {
                        critical: false,
                        effect: 0.041,
                        low: 0.022,
                        high: 0.063,
                        harmLogE: 5.2,
                        code: "harm_shown",
                        sentence: "the canary is at least 2.2 % worse, 1 % is tolerated",
                        wouldChange: "nothing: harm that was shown stays shown",
                    }),
                ],
                {
                    known: false,
                    observedPct: "NaN",
                    measuredPct: null,
                    error: "cannot connect to /run/haproxy.sock: no such file",
                },
            ),
        },
        {
            state: "paused",
            pauseCode: "stale",
            canaryVersion: "v8",
            stableVersion: "v7",
            automation: "approve",
            step: 0,
            desiredPct: 5,
            allowedPct: 5,
            blindSinceMs: Date.now() - 20_000,
        },
    );
}

function askingRollout() {
    return rollout(
        "search-20261124T055500-9a0b1c",
        "search",
        {
            verdict: "ask",
            reasons: [{ code: "approval_pending", sentence: "0 of 1 approvals for 50%" }],
            snapshot: snapshot([evidence("search-availability", "pass")]),
        },
        { proposedPct: 50, proposedSinceMs: Date.now() - 9000, automation: "approve", author: "bob" },
    );
}

function pastRollouts() {
    const now = Date.now();
    const failed = evidence("shop-availability", "fail", {
        effect: 0.0389,
        low: 0.0188,
        high: 0.0634,
        harmLogE: 4.1,
        canary: { total: 412, bad: 17 },
        code: "harm_shown",
        sentence:
            "the canary is at least 1.88 % worse, 1 % is tolerated: 17 of 412 requests were bad, 0.22 % on stable",
        wouldChange: "nothing: harm that was shown stays shown",
    });
    return [
        rollout(
            "shop-20261124T053000-77aa01",
            "shop",
            {
                verdict: "done",
                reasons: [{ code: "rolled_back", sentence: "no traffic is on v2-bad" }],
                snapshot: snapshot([failed, evidence("shop-latency", "insufficient", { kind: "latency" })], {
                    observedPct: 0,
                    measuredPct: null,
                }),
            },
            {
                state: "rolled_back",
                canaryVersion: "v2-bad",
                step: 0,
                desiredPct: 0,
                allowedPct: 0,
                createdMs: now - 1_785_000,
                endedMs: now - 1_767_900,
            },
        ),
        rollout(
            "shop-20261123T144700-7f3a10",
            "shop",
            {
                verdict: "done",
                reasons: [{ code: "succeeded", sentence: "v2 took all traffic for 10 s with nothing against it" }],
                snapshot: snapshot([evidence("shop-availability", "pass")], { observedPct: 100, measuredPct: 100 }),
            },
            {
                state: "succeeded",
                canaryVersion: "v2",
                stableVersion: "v1",
                step: 3,
                desiredPct: 100,
                allowedPct: 100,
                createdMs: now - DAY_MS,
                endedMs: now - DAY_MS + 410_000,
            },
        ),
    ];
}

function fillRollback(ledger, r) {
    const at = r.state.endedMs;
    const sentence = r.snapshot.checks[0].sentence;
    const decision = { verdict: "rollback", reasons: [{ code: "harm_shown", sentence }], state: r.state };
    const { seq } = ledger.append("decision", r.id, at - 600, {
        nowMs: at - 600,
        acts: [],
        decision,
        seen: r.snapshot,
    });
    r.history.push({ seq, atMs: at - 600, verdict: "rollback", sentence, weightPct: 0, state: "rolling_back" });
    ledger.append("intent", r.id, at - 590, { intent: `${r.id}/2/0`, weightPct: 0, actuator: "haproxy" });
    ledger.append("observation", r.id, at - 100, { intent: `${r.id}/2/0`, known: true, observedPct: 0, error: "" });
}

function fillLedger(ledger, rollouts) {
    const now = Date.now();
    ledger.append("start", "", now - 3_600_000, { version: "0.1.0", configDigest: "9f86d081884c7d65" });
    for (const r of [...rollouts].reverse()) {
        const at = r.state.createdMs;
        ledger.append("rollout", r.id, at, {
            policy: { automation: "full" },
            state: { ...r.state, state: "waiting" },
            idempotencyKey: "ci-311",
        });
        const decided = ledger.append("decision", r.id, at + 900, {
            nowMs: at + 900,
            acts: [],
            decision: {
                verdict: "advance",
                reasons: [{ code: "gate_open", sentence: "the gate is open: 5% of traffic" }],
                state: r.state,
            },
            seen: r.snapshot,
        });
        ledger.append("intent", r.id, at + 910, { intent: `${r.id}/1/0`, weightPct: 5, actuator: "haproxy" });
        ledger.append("observation", r.id, at + 1400, {
            intent: `${r.id}/1/0`,
            known: true,
            observedPct: 5,
            error: "",
        });
        const started = {
            verdict: "advance",
            sentence: "the gate is open: 5% of traffic",
            weightPct: 5,
            state: "progressing",
        };
        r.history.push({ seq: decided.seq, atMs: at + 900, ...started });
        if (r.state.state === "progressing" && r.state.step === 1) {
            const sentence = "all checks pass: on to 25%";
            const decision = { verdict: "advance", reasons: [{ code: "all_pass", sentence }], state: r.state };
            const { seq } = ledger.append("decision", r.id, r.state.desiredSinceMs, { acts: [], decision });
            r.history.push({
                seq,
                atMs: r.state.desiredSinceMs,
                verdict: "advance",
                sentence,
                weightPct: 25,
                state: "progressing",
            });
        }
        if (r.state.state === "rolled_back") {
            fillRollback(ledger, r);
        }
    }
    const live = rollouts[0];
    ledger.append("human", live.id, now - 60_000, {
        act: {
            id: `${live.id}/act/0`,
            kind: "skip_hold",
            actor: "ann",
            role: "operator",
            reason: "same image ran in staging all night",
            full: false,
            atMs: now - 60_000,
        },
    });
    for (let i = 0; i < 40; i++) {
        ledger.append("gate", "pre-deploy", now - 50_000 + i * 1000, {
            state: "pass",
            reasons: [{ code: "all_pass", sentence: "every check passes" }],
        });
    }
}

export function fakeWorld() {
    const ledger = new FakeLedger();
    const shop = rollout("shop-20261124T060000-b00b5e", "shop");
    const rollouts = [shop, blindRollout(), askingRollout(), ...pastRollouts()];
    fillLedger(ledger, rollouts);
    const services = [
        {
            service: "shop",
            rollout: shop.id,
            slos: [
                slo("shop-availability", "Availability"),
                slo("shop-latency", "Requests under 300 ms", {
                    kind: "threshold",
                    target: 0.95,
                    ratio: 0.96211,
                    budgetRemaining: 0.242,
                    burn: { "5m": 2.1, "1h": 1.24, "6h": 0.9 },
                }),
            ],
        },
        {
            service: "payments",
            rollout: rollouts[1].id,
            slos: [
                slo("payments-availability", "Availability", {
                    target: 0.999,
                    ratio: 0.99842,
                    budgetRemaining: -0.58,
                    burn: { "5m": 21.4, "1h": 15.2, "6h": 4.1 },
                    freshMs: 94_000,
                    partial: true,
                }),
            ],
        },
        {
            service: "search",
            rollout: rollouts[2].id,
            slos: [
                slo("search-availability", "Availability", {
                    good: null,
                    bad: null,
                    total: null,
                    ratio: null,
                    budgetRemaining: null,
                    burn: { "5m": null, "1h": null, "6h": "NaN" },
                    freshMs: null,
                }),
            ],
        },
    ];
    const targets = [
        target("shop", "http://127.0.0.1:8101/metrics", "up", ""),
        target("shop", "http://127.0.0.1:8102/metrics", "up", ""),
        target("payments", "http://127.0.0.1:8103/metrics", "down", "connection refused"),
    ];
    const budget = evidence("shop-availability", "pass", {
        kind: "slo",
        sentence: "0.36% of 2419805 events were bad",
    });
    const queue = evidence("queue-depth", "insufficient", { kind: "query", sentence: "no event in 5 min" });
    return {
        ledger,
        rollouts,
        services,
        targets,
        startedMs: Date.now() - 3_600_000,
        gates: [
            { name: "pre-deploy", service: "shop" },
            { name: "forgotten", service: "search" },
        ],
        gateAnswers: {
            "pre-deploy": { state: "insufficient", exitCode: 3, checks: [budget, queue], reasons: [] },
        },
    };
}

export function emptyWorld() {
    const ledger = new FakeLedger();
    ledger.append("start", "", Date.now(), { version: "0.1.0", configDigest: "9f86d081884c7d65" });
    return { ledger, rollouts: [], services: [], targets: [], gates: [], gateAnswers: {}, startedMs: Date.now() };
}

function target(job, scrapeUrl, health, lastError) {
    return {
        discoveredLabels: {},
        labels: { instance: new URL(scrapeUrl).host, job },
        scrapePool: job,
        scrapeUrl,
        globalUrl: scrapeUrl,
        lastError,
        lastScrape: new Date().toISOString(),
        lastScrapeDuration: 0.0031,
        health,
        scrapeInterval: "1s",
    };
}

/** Both arms wander; the canary is worse by the evidence's effect. */
export function curvesOf(e, atMs) {
    const n = 48;
    const of = (f) => Array.from({ length: n }, (_, i) => f(i));
    const effect = typeof e.effect === "number" ? e.effect : 0;
    const width = typeof e.low === "number" ? e.effect - e.low : 0.01;
    return {
        check: e.check,
        unit: e.unit,
        t: of((i) => atMs - (n - i) * 5000),
        stable: of((i) => 0.0024 + 0.0008 * Math.sin(i / 3)),
        canary: of((i) => (i < 6 ? null : 0.0024 + effect + 0.0022 * Math.sin(i / 2.3 + 1))),
        effect: of((i) => (i < 6 ? null : effect * (1 - 1 / i))),
        low: of((i) => (i < 6 ? null : effect - width * Math.sqrt(n / i))),
        high: of((i) => (i < 6 ? null : effect + width * Math.sqrt(n / i))),
        logE: of((i) => (3 * i) / n - 0.5),
        logLimit: 3.69,
        tolerate: e.tolerate,
    };
}
