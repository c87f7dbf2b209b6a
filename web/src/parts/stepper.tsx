// The policy's steps: weight, hold, where the rollout is, and how long this step has been held.
import type { Rollout } from "../api";
import { now } from "../clock";
import { duration, weight } from "../format";
import { icons } from "./icons";

type Place = "past" | "here" | "ahead";

function placeOf(rollout: Rollout, index: number): Place {
    const { state, step } = rollout.state;
    if (state === "succeeded") {
        return "past";
    }
    if (state === "rolled_back" || state === "cancelled" || state === "superseded" || state === "rolling_back") {
        return index <= step ? "past" : "ahead";
    }
    return index < step ? "past" : index === step ? "here" : "ahead";
}

function HoldProgress({ rollout, holdMs }: { rollout: Rollout; holdMs: number }) {
    const { stepSinceMs } = rollout.state;
    if (stepSinceMs === 0) {
        return <span class="quiet">not in force yet</span>;
    }
    const held = Math.max(0, now.value - stepSinceMs);
    const share = holdMs > 0 ? Math.min(1, held / holdMs) : 1;
    return (
        <>
            <span
                class="track"
                role="progressbar"
                aria-valuenow={Math.round(share * 100)}
                aria-valuemin={0}
                aria-valuemax={100}
                aria-label="hold"
            >
                <span class="fill" style={{ width: `${share * 100}%` }} />
            </span>
            <span class="quiet">
                {share < 1
                    ? `held ${duration(held)} of ${duration(holdMs)}`
                    : `held ${duration(held)}, ${duration(holdMs)} asked`}
            </span>
        </>
    );
}

export function Stepper({ rollout }: { rollout: Rollout }) {
    const undone = ["rolled_back", "rolling_back"].includes(rollout.state.state);
    return (
        <ol class={`stepper ${undone ? "is-undone" : ""}`} data-testid="stepper">
            {rollout.steps.map((step, index) => {
                const place = placeOf(rollout, index);
                return (
                    <li
                        key={index}
                        class={`is-${place}`}
                        aria-current={place === "here" ? "step" : undefined}
                        data-testid="step"
                        data-place={place}
                    >
                        <span class="knob">{place === "past" ? (undone ? icons.cross : icons.tick) : index + 1}</span>
                        <b>{weight(step.weightPct)}</b>
                        {place === "here" ? (
                            <HoldProgress rollout={rollout} holdMs={step.holdMs} />
                        ) : (
                            <span class="quiet">{step.holdMs > 0 ? `hold ${duration(step.holdMs)}` : "no hold"}</span>
                        )}
                    </li>
                );
            })}
        </ol>
    );
}
