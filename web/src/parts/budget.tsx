// An SLO's remaining error budget as a bar, and its burn rates.
import type { Num, Slo } from "../api";
import { burnRate, duration, num, percent } from "../format";

export function BudgetBar({ remaining }: { remaining: Num }) {
    const value = num(remaining);
    if (Number.isNaN(value)) {
        return (
            <div class="budget is-unknown">
                <span class="label">budget not known yet</span>
                <div class="track" />
            </div>
        );
    }
    const tone = value <= 0 ? "bad" : value < 0.25 ? "warn" : "good";
    const share = Math.min(1, Math.abs(value));
    return (
        <div class={`budget tone-${tone}`} data-testid="budget">
            <span class="label">
                <b>{percent(value).replace("-", "−")}</b> of the budget left{value < 0 && ", overspent"}
            </span>
            <div class="track">
                <div class={value < 0 ? "fill over" : "fill"} style={{ width: `${share * 100}%` }} />
            </div>
        </div>
    );
}

/** The usual multi-window alert limits of a 28 to 30 day SLO: 14.4 over 1 h, 6 over 6 h. */
const BURN_LIMITS: Record<string, number> = { "5m": 14.4, "1h": 14.4, "6h": 6 };

export function BurnRates({ slo }: { slo: Slo }) {
    return (
        <dl class="burn" aria-label="burn rate" title="burn rate: 1× spends exactly the budget over the window">
            {["5m", "1h", "6h"].map((window) => {
                const value = slo.burn?.[window];
                const v = num(value);
                const tone = v >= (BURN_LIMITS[window] ?? 14.4) ? "bad" : v > 1 ? "warn" : "";
                return (
                    <div key={window} class={tone && `tone-${tone}`}>
                        <dt>{window}</dt>
                        <dd>{burnRate(value)}</dd>
                    </div>
                );
            })}
        </dl>
    );
}

export function windowText(slo: Slo): string {
    return duration(slo.windowMs);
}
