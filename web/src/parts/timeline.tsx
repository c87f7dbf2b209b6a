// Everything that happened to a rollout, newest first: decisions, what people did, what was told to the actuator.
import type { HistoryEntry, LedgerEntry } from "../api";
import { now } from "../clock";
import { clockTime, num, weight, words } from "../format";
import { linkTo } from "../route";
import { icons } from "./icons";

interface Moment {
    seq: number;
    atMs: number;
    kind: "decision" | "human" | "intent" | "observation" | "rollout";
    title: string;
    text: string;
    tone: string;
}

const VERDICT_TONES: Record<string, string> = {
    rollback: "bad",
    rolled_back: "bad",
    cancel: "bad",
    pause: "warn",
    ask: "warn",
    advance: "good",
    promote: "good",
    succeed: "good",
};

function ofDecision(entry: HistoryEntry): Moment {
    return {
        seq: entry.seq,
        atMs: entry.atMs,
        kind: "decision",
        title: `${words(entry.verdict)} · ${weight(entry.weightPct)}`,
        text: entry.sentence,
        tone: VERDICT_TONES[entry.verdict] ?? "calm",
    };
}

type Body = Record<string, unknown>;

function ofAct(act: Body): { title: string; text: string; tone: string } {
    return {
        title: `${String(act["actor"] ?? "somebody")} · ${words(String(act["kind"] ?? "act"))}`,
        text: String(act["reason"] ?? ""),
        tone: "human",
    };
}

function ofRecord(entry: LedgerEntry): Moment | null {
    const body = (entry.body ?? {}) as Body;
    const base = { seq: entry.seq, atMs: entry.atMs };
    switch (entry.kind) {
        case "human":
            return { ...base, kind: "human", ...ofAct((body["act"] ?? body) as Body) };
        case "intent":
            return {
                ...base,
                kind: "intent",
                title: `told ${String(body["actuator"] ?? "the actuator")}`,
                text: `${weight(body["weightPct"] as number)} for the canary`,
                tone: "quiet",
            };
        case "observation": {
            const seen = num(body["observedPct"] as number);
            const text = Number.isNaN(seen) ? String(body["error"] || "not known") : `${weight(seen)} is in force`;
            return { ...base, kind: "observation", title: "observed", text, tone: "quiet" };
        }
        case "rollout":
            return {
                ...base,
                kind: "rollout",
                title: "asked for",
                text: "the rollout and its policy were recorded",
                tone: "calm",
            };
        default:
            return null;
    }
}

export function momentsOf(history: HistoryEntry[], records: LedgerEntry[]): Moment[] {
    const others = records.map(ofRecord).filter((m): m is Moment => m !== null);
    return [...history.map(ofDecision), ...others].sort((a, b) => b.seq - a.seq);
}

export function Timeline({ history, records }: { history: HistoryEntry[]; records: LedgerEntry[] }) {
    const moments = momentsOf(history, records);
    return (
        <section class="card timeline" aria-label="timeline">
            <h2>Timeline</h2>
            {moments.length === 0 && <p class="quiet">nothing was decided yet</p>}
            <ol data-testid="timeline">
                {moments.map((m) => (
                    <li key={m.seq} class={`tone-${m.tone} kind-${m.kind}`} data-testid="moment" data-kind={m.kind}>
                        <time dateTime={new Date(m.atMs).toISOString()}>{clockTime(m.atMs, now.value)}</time>
                        <span class="knot">{m.kind === "human" ? icons.person : null}</span>
                        <div>
                            <b>{m.title}</b>
                            <p>{m.text}</p>
                        </div>
                        <a href={linkTo.entry(m.seq)} class="seq" aria-label={`ledger entry ${m.seq}`}>
                            #{m.seq}
                        </a>
                    </li>
                ))}
            </ol>
        </section>
    );
}
