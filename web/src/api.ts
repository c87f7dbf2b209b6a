// The HTTP API as docs/manual/api.md promises it: types, and the one place that fetches.

/** A number on the wire; what is not known or not finite is null or its name. */
export type Num = number | null | "NaN" | "+Inf" | "-Inf";

export const EVIDENCE_STATES = ["pass", "insufficient", "blind", "error", "fail"] as const;
export type EvidenceState = (typeof EVIDENCE_STATES)[number];
export type EvidenceKind = "ratio" | "latency" | "query" | "slo" | "budget" | "traffic" | "gauge" | "rate" | "kayenta";
export type Automation = "advisory" | "approve" | "full";
export type RolloutStateName =
    | "waiting"
    | "progressing"
    | "paused"
    | "promoting"
    | "succeeded"
    | "rolling_back"
    | "rolled_back"
    | "cancelled"
    | "superseded";
export type Act = "promote" | "skip_hold" | "pause" | "resume" | "abort" | "approve";

export interface ArmCounts {
    total: Num;
    bad: Num;
}

export interface Evidence {
    check: string;
    kind: EvidenceKind;
    state: EvidenceState;
    critical: boolean;
    unit: string;
    effect: Num;
    low: Num;
    high: Num;
    tolerate: Num;
    stable: ArmCounts;
    canary: ArmCounts;
    harmLogE: Num;
    harmLogLimit: Num;
    /** Only where arms are compared. */
    dispersion?: Num;
    learnedMs?: number;
    sinceMs?: number;
    unknownMs?: number;
    /** A threshold, whose error rate nobody knows. */
    uncontrolled?: boolean;
    against?: string;
    minimumDetectableEffect: Num;
    freshMs: number;
    observedMs: number;
    query: string;
    code: string;
    sentence: string;
    wouldChange: string;
}

export interface Exposure {
    known: boolean;
    observedPct: Num;
    measuredPct: Num;
    capacityOk: boolean;
    atMs: number;
    error: string;
}

export interface Snapshot {
    atMs: number;
    checks: Evidence[];
    exposure: Exposure;
    budgetRemaining: Num;
    telemetryAgeMs: number;
}

export interface RolloutState {
    id: string;
    service: string;
    canaryVersion: string;
    stableVersion: string;
    author: string;
    changeKind: string;
    state: RolloutStateName;
    step: number;
    desiredPct: number;
    allowedPct: number;
    createdMs: number;
    desiredSinceMs: number;
    stepSinceMs: number;
    endedMs: number;
    automation: Automation;
    pauseCode: string;
    pausedByHuman: boolean;
    actuatorFailing: boolean;
    skipHold: boolean;
    proposedPct: Num;
    proposedSinceMs: number;
    approvals: { actor: string; atMs: number }[];
    blindSinceMs: number;
    unobservedSinceMs: number;
    decisions: number;
}

export interface Reason {
    code: string;
    sentence: string;
}

export interface HistoryEntry {
    seq: number;
    atMs: number;
    verdict: string;
    sentence: string;
    weightPct: number;
    state: RolloutStateName;
}

export interface Rollout {
    id: string;
    policy: string;
    state: RolloutState;
    steps: { weightPct: number; holdMs: number }[];
    verdict: string | null;
    reasons: Reason[] | null;
    snapshot: Snapshot | null;
    history?: HistoryEntry[];
}

export interface Slo {
    service?: string;
    name: string;
    displayName: string;
    description: string;
    kind: string;
    target: Num;
    windowMs: number;
    good: Num;
    bad: Num;
    total: Num;
    ratio: Num;
    budgetRemaining: Num;
    burn: Record<string, Num>;
    freshMs?: number | null;
    partial: boolean;
    /** Stable's instances against themselves; `noisy` says why it is not fit to gate on. */
    selfCheck?: { trials: number; falseAlarms: number; dispersion: Num; noisy: string | null } | null;
    /** Why there are no numbers, when there are none. */
    error?: string;
}

export interface Service {
    service: string;
    rollout: string | null;
    slos: Slo[];
    anomaly?: { active: boolean; sinceMs: number; sentence: string } | null;
}

export interface Status {
    version: string;
    startedMs: number;
    ledger: { size: number; root: string };
    targets: { up: number; total: number };
    series: number;
}

export interface Curves {
    check: string;
    unit: string;
    t: number[];
    stable: Num[];
    canary: Num[];
    effect: Num[];
    low: Num[];
    high: Num[];
    /** ln of the evidence of harm, and where harm is shown. */
    logE: Num[];
    logLimit: Num;
    tolerate: Num;
}

export interface LedgerHead {
    seq: number;
    atMs: number;
    kind: string;
    subject: string;
}

export interface LedgerEntry extends LedgerHead {
    leaf: string;
    body: unknown;
}

export interface LedgerPage {
    size: number;
    entries: LedgerEntry[];
}

export interface Proof {
    seq: number;
    size: number;
    path: string[];
    leaf?: string;
    root?: string;
}

export interface Gate {
    name: string;
    service: string;
}

export interface GateAnswer {
    gate: string;
    state: EvidenceState;
    exitCode: number;
    checks: Evidence[];
    reasons: Reason[];
    seq: number;
}

export interface Verification {
    ok: boolean;
    checked: number;
    size: number;
    root: string;
    findings: string[];
}

export interface Target {
    labels: Record<string, string>;
    scrapePool: string;
    scrapeUrl: string;
    health: string;
    lastError: string;
    lastScrape: string;
    lastScrapeDuration?: Num;
    scrapeInterval?: string;
}

/** What the server answered instead: its own words, or why there is no answer. */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
    ) {
        super(message);
    }
}

async function refusal(response: Response): Promise<ApiError> {
    const text = await response.text();
    try {
        const body = JSON.parse(text) as { error?: { code?: string; message?: string } | string };
        if (typeof body.error === "object" && body.error?.message) {
            return new ApiError(response.status, body.error.code ?? "", body.error.message);
        }
        if (typeof body.error === "string") {
            return new ApiError(response.status, "", body.error);
        }
    } catch {
        // Not JSON: a proxy in between, most likely. Its text is all there is to show.
    }
    return new ApiError(response.status, "", text.slice(0, 300) || `the server answered ${response.status}`);
}

async function ask(path: string, init?: RequestInit): Promise<Response> {
    let response: Response;
    try {
        response = await fetch(path, init);
    } catch {
        throw new ApiError(0, "unreachable", "cQED does not answer");
    }
    if (!response.ok) {
        throw await refusal(response);
    }
    return response;
}

export async function getJson<T>(path: string): Promise<T> {
    return (await ask(path)).json() as Promise<T>;
}

export async function getText(path: string): Promise<string> {
    return (await ask(path)).text();
}

export async function postJson<T>(path: string, body: unknown): Promise<T> {
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    return (await ask(path, init)).json() as Promise<T>;
}

const part = encodeURIComponent;

export const api = {
    status: () => getJson<Status>("/cqed/v1/status"),
    services: () => getJson<{ services: Service[] }>("/cqed/v1/services"),
    rollouts: () => getJson<{ rollouts: Rollout[] }>("/cqed/v1/rollouts"),
    rollout: (id: string) => getJson<Rollout>(`/cqed/v1/rollouts/${part(id)}`),
    curves: (id: string, check: string) =>
        getJson<Curves>(`/cqed/v1/rollouts/${part(id)}/curves?check=${part(check)}`),
    act: (id: string, act: Act, body: { actor: string; reason: string; role: string; full: boolean }) =>
        postJson<Rollout>(`/cqed/v1/rollouts/${part(id)}/${act}`, body),
    gates: () => getJson<{ gates: Gate[] }>("/cqed/v1/gates"),
    askGate: (name: string) => postJson<GateAnswer>(`/cqed/v1/gates/${part(name)}`, {}),
    ledger: (from: number, limit: number, subject: string) =>
        getJson<LedgerPage>(
            `/cqed/v1/ledger?from=${from}&limit=${limit}${subject ? `&subject=${part(subject)}` : ""}`,
        ),
    checkpoint: () => getText("/cqed/v1/ledger/checkpoint"),
    verifierKey: () => getText("/cqed/v1/ledger/key"),
    proof: (seq: number, size: number) => getJson<Proof>(`/cqed/v1/ledger/proof?seq=${seq}&size=${size}`),
    verify: () => getJson<Verification>("/cqed/v1/ledger/verify"),
    targets: () => getJson<{ data: { activeTargets: Target[] } }>("/api/v1/targets"),
};
