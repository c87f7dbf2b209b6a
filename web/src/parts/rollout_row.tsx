// One rollout in a line: what changes, how far it is, what is thought of it.
import type { Rollout } from "../api";
import { now } from "../clock";
import { ago, duration, weight } from "../format";
import { linkTo } from "../route";
import { isFinal } from "../state";
import { CheckTally, StateBadge, toneOf } from "./badge";
import { icons } from "./icons";
import { cause } from "./verdict";

export function Versions({ rollout }: { rollout: Rollout }) {
    return (
        <span class="versions">
            <code>{rollout.state.stableVersion}</code>
            {icons.arrow}
            <span class="hidden"> to </span>
            <code class="canary">{rollout.state.canaryVersion}</code>
        </span>
    );
}

/** The steps as one thin bar: a mark a step, filled to where traffic is. */
function MiniBar({ rollout }: { rollout: Rollout }) {
    const { desiredPct } = rollout.state;
    return (
        <span class={`minibar tone-${toneOf(rollout.state.state)}`} aria-hidden="true">
            <span class="fill" style={{ width: `${desiredPct}%` }} />
            {rollout.steps.map((step) => (
                <i key={step.weightPct} style={{ left: `${step.weightPct}%` }} />
            ))}
        </span>
    );
}

export function RolloutRow({ rollout, compact = false }: { rollout: Rollout; compact?: boolean }) {
    const { state } = rollout;
    const final = isFinal(rollout);
    return (
        <a
            class={`rollout-row ${final ? "is-final" : "is-live"}`}
            href={linkTo.rollout(rollout.id)}
            data-testid="rollout-row"
            data-rollout={rollout.id}
            data-state={state.state}
        >
            {!compact && <b class="service-name" title={state.service}>{state.service}</b>}
            <Versions rollout={rollout} />
            <StateBadge state={state.state} />
            {final ? null : <MiniBar rollout={rollout} />}
            {final ? null : <span class="weight">{weight(state.desiredPct)}</span>}
            {final ? null : <CheckTally rollout={rollout} />}
            <span class="sentence">{cause(rollout) || rollout.reasons?.[0]?.sentence}</span>
            <span class="quiet when">
                {final && state.endedMs > 0
                    ? `${ago(state.endedMs, now.value)}, took ${duration(state.endedMs - state.createdMs)}`
                    : ago(state.createdMs, now.value)}
            </span>
        </a>
    );
}
