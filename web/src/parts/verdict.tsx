// The verdict in words, on top of everything else: what is being done, and why.
import type { Rollout } from "../api";
import { weight, words } from "../format";
import { toneOf, type Tone } from "./badge";

function ofState(rollout: Rollout): string | null {
    const { state, canaryVersion, stableVersion, desiredPct } = rollout.state;
    switch (state) {
        case "succeeded":
            return `Promoted: ${canaryVersion} takes all traffic`;
        case "rolled_back":
            return `Rolled back to ${stableVersion}`;
        case "rolling_back":
            return `Rolling back to ${stableVersion}`;
        case "cancelled":
            return "Cancelled before any traffic";
        case "superseded":
            return "Superseded by a newer version";
        case "paused":
            return `Paused at ${weight(desiredPct)}`;
        case "waiting":
        case "progressing":
        case "promoting":
            return null;
    }
}

/** Why a rollout was undone: its first decision to, or else the evidence that still shows it. */
export function cause(rollout: Rollout): string {
    const { state } = rollout.state;
    if (state !== "rolled_back" && state !== "rolling_back") {
        return "";
    }
    const decided = rollout.history?.find((entry) => entry.verdict === "rollback");
    const failing = rollout.snapshot?.checks.find((c) => c.critical && c.state === "fail");
    return decided?.sentence ?? failing?.sentence ?? "";
}

export function headline(rollout: Rollout): string {
    const at = weight(rollout.state.desiredPct);
    const said = ofState(rollout);
    if (said) {
        return said;
    }
    switch (rollout.verdict) {
        case "hold":
            return `Holding at ${at}`;
        case "start":
        case "advance":
        case "promote":
            return `Going to ${at}`;
        case "resume":
            return `Resumed at ${at}`;
        case "wait":
            return "Waiting to start";
        case "bake":
            return "Baking at full traffic";
        case "ask":
            return `Asking for approval of ${weight(rollout.state.proposedPct)}`;
        case "would":
            return "Advice only: nothing is done";
        default:
            return words(rollout.verdict || rollout.state.state);
    }
}

function toneNow(rollout: Rollout): Tone {
    const states = (rollout.snapshot?.checks ?? []).filter((c) => c.critical).map((c) => c.state);
    if (rollout.state.state === "paused" && states.includes("blind")) {
        return "unseen";
    }
    return rollout.verdict === "ask" ? "warn" : toneOf(rollout.state.state);
}

export function Verdict({ rollout }: { rollout: Rollout }) {
    const why = cause(rollout);
    const reasons = (rollout.reasons ?? []).filter((reason) => reason.sentence !== why);
    return (
        <section
            class={`verdict tone-${toneNow(rollout)}`}
            aria-label="verdict"
            data-testid="verdict"
            data-verdict={rollout.verdict ?? ""}
        >
            <h2 aria-live="polite" data-testid="verdict-headline">
                {headline(rollout)}
            </h2>
            <ul data-testid="reasons">
                {why && <li data-testid="cause">{why}</li>}
                {reasons.map((reason) => (
                    <li key={reason.code + reason.sentence}>
                        {reason.sentence} <code>{reason.code}</code>
                    </li>
                ))}
            </ul>
        </section>
    );
}
