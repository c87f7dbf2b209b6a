// One check, whole: what was asked, what was seen, what it shows, and what would change it.
import type { ArmCounts, Evidence } from "../api";
import { count, duration, inUnit, num, percent, significant } from "../format";
import { EvidenceBadge } from "./badge";
import { CheckCurves, type Mark } from "./curves";
import { Freshness } from "./fresh";
import { effectText, IntervalPlot, isComparison } from "./interval";

const KINDS: Record<Evidence["kind"], string> = {
    ratio: "bad events of both arms",
    latency: "latency of both arms",
    query: "a query against a limit",
    slo: "an SLO against its target",
    budget: "the remaining error budget",
    traffic: "the split that was asked for",
    gauge: "a gauge of both arms",
    rate: "events of both arms per exposure",
    kayenta: "the score of Kayenta's judge",
};

function ArmRow({ name, arm }: { name: string; arm: ArmCounts }) {
    const total = num(arm.total);
    return (
        <tr>
            <th scope="row">
                <i class={`swatch is-${name}`} />
                {name}
            </th>
            <td class="number">{count(arm.total)}</td>
            <td class="number">{count(arm.bad)}</td>
            <td class="number">{total > 0 ? percent(num(arm.bad) / total) : percent(null)}</td>
        </tr>
    );
}

function Arms({ e }: { e: Evidence }) {
    return (
        <table class="arms">
            <thead>
                <tr>
                    <th>arm</th>
                    <th class="number">events</th>
                    <th class="number">bad</th>
                    <th class="number">ratio</th>
                </tr>
            </thead>
            <tbody>
                <ArmRow name="stable" arm={e.stable} />
                <ArmRow name="canary" arm={e.canary} />
            </tbody>
        </table>
    );
}

/** How far the evidence of harm is on its way to the limit, both as logarithms. */
function HarmMeter({ e }: { e: Evidence }) {
    const value = num(e.harmLogE);
    const limit = num(e.harmLogLimit);
    if (Number.isNaN(value) || !(limit > 0)) {
        return null;
    }
    const share = Math.max(0, Math.min(1, value / limit));
    const shown = value > 0.005 ? significant(value, 3) : "none"; // below zero it speaks against harm
    return (
        <div class="harm" title="ln of the e-value against 'no harm'; a rollback needs the limit">
            <span class="quiet">evidence of harm</span>
            <span
                class="track"
                role="meter"
                aria-valuenow={Math.round(share * 100)}
                aria-valuemin={0}
                aria-valuemax={100}
                aria-label="evidence of harm"
            >
                <span class="fill" style={{ width: `${share * 100}%` }} />
            </span>
            <span class="number">
                {shown} of {significant(limit, 3)}
            </span>
        </div>
    );
}

function Facts({ e }: { e: Evidence }) {
    const mde = num(e.minimumDetectableEffect);
    return (
        <p class="facts quiet">
            {e.observedMs > 0 && <span>compared for {duration(e.observedMs)}</span>}
            {Number.isFinite(mde) && <span>detects {inUnit(mde, e.unit)} and more</span>}
            {Number.isFinite(num(e.dispersion)) && (
                <span>
                    dispersion {significant(num(e.dispersion), 3)},{" "}
                    {e.learnedMs ? `learned from ${duration(e.learnedMs)} of stable` : "assumed or given"}
                </span>
            )}
            {!!e.unknownMs && <span>{duration(e.unknownMs)} not known</span>}
            <span>
                reason <code>{e.code}</code>
            </span>
        </p>
    );
}

interface Props {
    e: Evidence;
    atMs: number;
    rollout: string;
    live: boolean;
    marks: Mark[];
}

export function CheckCard({ e, atMs, rollout, live, marks }: Props) {
    return (
        <article class={`card check is-${e.state}`} data-testid="check" data-check={e.check} data-state={e.state}>
            <header>
                <div>
                    <h3>{e.check}</h3>
                    <p class="quiet">
                        {KINDS[e.kind]}
                        {!e.critical && " · informs only"}
                        {e.uncontrolled && " · uncontrolled: no stated error rate"}
                        {e.against && ` · against ${e.against}`}
                    </p>
                </div>
                <EvidenceBadge state={e.state} />
            </header>
            <p class="sentence" data-testid="check-sentence">
                {e.sentence}
            </p>
            <div class="effect-line">
                <span class="big">{effectText(e)}</span>
                {Number.isFinite(num(e.low)) && (
                    <span class="quiet">
                        {inUnit(e.low, e.unit)} to {inUnit(e.high, e.unit)}
                    </span>
                )}
                <span class="spring" />
                {live && <Freshness freshMs={e.freshMs} atMs={atMs} stale={e.code === "stale"} />}
            </div>
            <IntervalPlot e={e} />
            {isComparison(e) && e.kind !== "gauge" && <Arms e={e} />}
            <HarmMeter e={e} />
            {e.wouldChange && (
                <p class="would" data-testid="would-change">
                    <b>Would change it:</b> {e.wouldChange}
                </p>
            )}
            {isComparison(e) && <CheckCurves rollout={rollout} check={e.check} live={live} marks={marks} />}
            <Facts e={e} />
            {e.query && (
                <details class="query">
                    <summary>the exact query</summary>
                    <pre tabIndex={0}>{e.query}</pre>
                </details>
            )}
        </article>
    );
}
