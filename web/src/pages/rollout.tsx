// One rollout: the verdict first, then where it is, then every piece of evidence, then how it came to this.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, type Automation, type Evidence, type HistoryEntry, type LedgerEntry, type Rollout } from "../api";
import { now } from "../clock";
import { ago, clockTime, duration, num, percent, weight } from "../format";
import { ActButtons } from "../parts/act";
import { StateBadge } from "../parts/badge";
import { CheckCard } from "../parts/check";
import type { Mark } from "../parts/curves";
import { Empty, Loading } from "../parts/empty";
import { isComparison } from "../parts/interval";
import { Versions } from "../parts/rollout_row";
import { Split } from "../parts/split";
import { Stepper } from "../parts/stepper";
import { Timeline } from "../parts/timeline";
import { Verdict } from "../parts/verdict";
import { linkTo } from "../route";
import { beforeAsking, isFinal, ledgerHead, refreshes, rollouts, takeRollout } from "../state";

const MAX_RECORDS = 1000;

function nextOf(records: LedgerEntry[]): number {
    return (records.at(-1)?.seq ?? -1) + 1;
}

/** The rollout with its history, and what the ledger says besides decisions. */
function useRollout(id: string) {
    const problem = useSignal("");
    const records = useSignal<LedgerEntry[]>([]);
    const fetchNow = async () => {
        const asked = beforeAsking();
        try {
            const next = nextOf(records.peek());
            const [rollout, page] = await Promise.all([api.rollout(id), api.ledger(next, MAX_RECORDS, id)]);
            takeRollout(rollout, asked);
            const known = records.peek(); // another answer may have come first
            records.value = [...known, ...page.entries.filter((entry) => entry.seq >= nextOf(known))];
            if (rollout.id !== id) {
                location.replace(linkTo.rollout(rollout.id)); // asked for by the service's name
            }
            problem.value = "";
        } catch (error) {
            problem.value = (error as Error).message;
        }
    };
    useEffect(() => void fetchNow(), [id, refreshes.value]);
    useSignalEffect(() => {
        if (ledgerHead.value?.subject === id) {
            void fetchNow();
        }
    });
    const rollout = (rollouts.value ?? []).find((r) => r.id === id);
    return { rollout, records: records.value, problem: problem.value };
}

const LEVELS: Automation[] = ["advisory", "approve", "full"];
const DOES: Record<Automation, string> = {
    advisory: "says what it would do",
    approve: "asks a human",
    full: "acts by itself",
};

/** The level that the policy gave, as it was recorded when the rollout was asked for. */
function configuredLevel(records: LedgerEntry[]): Automation | undefined {
    const body = records.find((entry) => entry.kind === "rollout")?.body as
        { policy?: { automation?: Automation } } | undefined;
    return body?.policy?.automation;
}

function AutomationLevel({ rollout, configured }: { rollout: Rollout; configured: Automation | undefined }) {
    const level = rollout.state.automation;
    const lowered = configured !== undefined && LEVELS.indexOf(level) < LEVELS.indexOf(configured);
    return (
        <div
            class={`automation ${lowered ? "is-lowered" : ""}`}
            data-testid="automation"
            data-level={level}
            data-lowered={lowered}
        >
            <dt>Automation</dt>
            <dd>
                <b>{level}</b>
                {lowered ? (
                    <span class="badge tone-warn">lowered from {configured} until telemetry is back</span>
                ) : (
                    <span class="quiet">{DOES[level]}</span>
                )}
            </dd>
        </div>
    );
}

function Facts({ rollout, records }: { rollout: Rollout; records: LedgerEntry[] }) {
    const { state, snapshot } = rollout;
    const budget = num(snapshot?.budgetRemaining);
    return (
        <dl class="card rollout-facts">
            <AutomationLevel rollout={rollout} configured={configuredLevel(records)} />
            <div>
                <dt>Telemetry</dt>
                <dd>
                    {snapshot && snapshot.telemetryAgeMs >= 0
                        ? `${duration(snapshot.telemetryAgeMs)} old when judged`
                        : "never seen"}
                </dd>
            </div>
            {Number.isFinite(budget) && (
                <div>
                    <dt>Budget left</dt>
                    <dd>{percent(budget)}</dd>
                </div>
            )}
            <div>
                <dt>Asked for</dt>
                <dd>
                    by {state.author}, {clockTime(state.createdMs, now.value)}
                    {state.changeKind !== "normal" && <span class="badge tone-warn">{state.changeKind}</span>}
                </dd>
            </div>
            {state.approvals.length > 0 && (
                <div>
                    <dt>Approved</dt>
                    <dd>by {state.approvals.map((a) => a.actor).join(", ")}</dd>
                </div>
            )}
            <div>
                <dt>Proof</dt>
                <dd>
                    <a href={linkTo.subject(rollout.id)}>{state.decisions} decisions in the ledger</a>
                </dd>
            </div>
        </dl>
    );
}

function When({ rollout }: { rollout: Rollout }) {
    const { createdMs, endedMs } = rollout.state;
    return (
        <span class="quiet">
            {endedMs > 0
                ? `ended ${ago(endedMs, now.value)} after ${duration(endedMs - createdMs)}`
                : `for ${duration(now.value - createdMs)}`}
        </span>
    );
}

/** Each time another weight was decided on. */
function marksOf(history: HistoryEntry[]): Mark[] {
    return history
        .filter((entry, i) => entry.weightPct !== (history[i - 1]?.weightPct ?? 0))
        .map((entry) => ({ atMs: entry.atMs, label: weight(entry.weightPct) }));
}

function Checks({ rollout }: { rollout: Rollout }) {
    const snapshot = rollout.snapshot;
    const checks = snapshot?.checks ?? [];
    const live = !isFinal(rollout);
    const marks = marksOf(rollout.history ?? []);
    const others = checks.filter((e) => !isComparison(e));
    const card = (e: Evidence) => (
        <CheckCard key={e.check} e={e} atMs={snapshot?.atMs ?? 0} rollout={rollout.id} live={live} marks={marks} />
    );
    return (
        <section aria-label="evidence">
            <h2>{isFinal(rollout) ? "Evidence, as last judged" : "Evidence"}</h2>
            {checks.length === 0 && <p class="quiet">no check has been judged yet</p>}
            <div class="checks">
                {checks.filter(isComparison).map(card)}
                {others.length > 0 && <div class="stack">{others.map(card)}</div>}
            </div>
        </section>
    );
}

export function RolloutPage({ id }: { id: string }) {
    const { rollout, records, problem } = useRollout(id);
    if (!rollout) {
        return problem ? (
            <Empty title="This rollout cannot be shown">
                <p>{problem}</p>
                <p>
                    <a href="#/rollouts">All rollouts</a>
                </p>
            </Empty>
        ) : (
            <Loading />
        );
    }
    return (
        <div data-testid="rollout-page" data-rollout={rollout.id}>
            <div class="page-head">
                <h1>{rollout.state.service}</h1>
                <Versions rollout={rollout} />
                <StateBadge state={rollout.state.state} />
                <When rollout={rollout} />
                <span class="spring" />
                <ActButtons rollout={rollout} />
            </div>
            <Verdict rollout={rollout} />
            <Stepper rollout={rollout} />
            <div class="two">
                <Split rollout={rollout} />
                <Facts rollout={rollout} records={records} />
            </div>
            <Checks rollout={rollout} />
            <Timeline history={rollout.history ?? []} records={records} />
            <p class="quiet id">
                <code>{rollout.id}</code> under policy <code>{rollout.policy}</code>
            </p>
        </div>
    );
}
