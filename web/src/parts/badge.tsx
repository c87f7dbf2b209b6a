// Words with a shape and a colour: an evidence state, a rollout's state.
import type { EvidenceState, Rollout, RolloutStateName } from "../api";
import { words } from "../format";
import { icons } from "./icons";

export const MEANING: Record<EvidenceState, string> = {
    pass: "shown to be within tolerance",
    insufficient: "nothing wrong seen, not proven yet",
    blind: "telemetry missing, stale or impossible",
    error: "the question itself is broken",
    fail: "harm shown at the configured error rate",
};

export function EvidenceBadge({ state }: { state: EvidenceState }) {
    return (
        <span
            class={`badge evidence is-${state}`}
            title={MEANING[state]}
            data-testid="evidence-badge"
            data-state={state}
        >
            {icons[state]}
            {state}
        </span>
    );
}

export type Tone = "calm" | "good" | "bad" | "warn" | "unseen" | "done";

const TONES: Record<RolloutStateName, Tone> = {
    waiting: "calm",
    progressing: "calm",
    paused: "warn",
    promoting: "good",
    succeeded: "good",
    rolling_back: "bad",
    rolled_back: "bad",
    cancelled: "done",
    superseded: "done",
};

export function toneOf(state: RolloutStateName): Tone {
    return TONES[state];
}

export function StateBadge({ state }: { state: RolloutStateName }) {
    return (
        <span class={`badge tone-${toneOf(state)}`} data-testid="rollout-state" data-state={state}>
            <i class="dot" />
            {words(state)}
        </span>
    );
}

/** How many checks are in each state, those that need attention first. */
export function CheckTally({ rollout }: { rollout: Rollout }) {
    const checks = rollout.snapshot?.checks ?? [];
    const order: EvidenceState[] = ["fail", "error", "blind", "insufficient", "pass"];
    return (
        <span class="tally">
            {order.map((state) => {
                const n = checks.filter((c) => c.state === state).length;
                return n === 0 ? null : (
                    <span
                        key={state}
                        class={`badge evidence is-${state}`}
                        title={`${n} × ${state}: ${MEANING[state]}`}
                    >
                        {icons[state]}
                        {n}
                        <span class="hidden"> {state}</span>
                    </span>
                );
            })}
        </span>
    );
}
