// Where traffic is: what is asked for, what the actuator reports, what telemetry counts.
import type { Num, Rollout } from "../api";
import { num, weight } from "../format";

function Row({ name, value, note, tone }: { name: string; value: Num; note: string; tone: string }) {
    const share = num(value);
    return (
        <div class={`split-row is-${tone}`} data-testid={`split-${name}`}>
            <dt>{name}</dt>
            <dd>
                <span class="track">
                    {Number.isFinite(share) && <span class="fill" style={{ width: `${Math.min(100, share)}%` }} />}
                </span>
                <b>{weight(value)}</b>
                <span class="quiet">{note}</span>
            </dd>
        </div>
    );
}

/** Percent points; the actuator rounds, telemetry samples. */
const SAME_OBSERVED = 0.5;

export function Split({ rollout }: { rollout: Rollout }) {
    const exposure = rollout.snapshot?.exposure;
    const desired = rollout.state.desiredPct;
    const observed = exposure?.known ? num(exposure.observedPct) : NaN;
    const late = Number.isFinite(observed) && Math.abs(observed - desired) > SAME_OBSERVED;
    const traffic = rollout.snapshot?.checks.find((c) => c.kind === "traffic");
    return (
        <section class="card split" aria-label="traffic split">
            <h2>Traffic on the canary</h2>
            <dl>
                <Row
                    name="desired"
                    value={desired}
                    note={`at most ${weight(rollout.state.allowedPct)} allowed`}
                    tone="desired"
                />
                <Row
                    name="observed"
                    value={exposure?.known ? exposure.observedPct : null}
                    note={
                        exposure?.known
                            ? late
                                ? "not in force yet"
                                : "by the actuator"
                            : exposure?.error || "not observed yet"
                    }
                    tone={exposure && !exposure.known ? "bad" : late ? "warn" : "observed"}
                />
                <Row
                    name="measured"
                    value={exposure?.measuredPct ?? null}
                    note={Number.isNaN(num(exposure?.measuredPct)) ? "no requests counted yet" : "from telemetry"}
                    tone={traffic && traffic.state !== "pass" ? "warn" : "measured"}
                />
            </dl>
            {exposure?.known && !exposure.capacityOk && (
                <p class="problem">Not every server of stable can take traffic: a rollback would overload it.</p>
            )}
        </section>
    );
}
