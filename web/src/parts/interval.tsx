// The effect with its interval against the tolerance: where the bar lies tells the verdict.
import type { Evidence } from "../api";
import { inUnit, num, signed } from "../format";

interface Scale {
    from: number;
    to: number;
}

/** The tolerance has to stay visible however wide the interval is: ends that do not fit are cut. */
const WIDEST = 6;

function scaleOf(values: number[], tolerate: number): Scale {
    const known = values.filter(Number.isFinite);
    const unit = Math.abs(tolerate) || Math.max(...known.map(Math.abs), 1e-9);
    const clamp = (v: number) => Math.max(-WIDEST * unit, Math.min(WIDEST * unit, v));
    const shown = known.map(clamp);
    const from = Math.min(0, ...shown, -0.4 * unit);
    const to = Math.max(...shown, 1.6 * unit);
    const margin = (to - from) * 0.04;
    return { from: from - margin, to: to + margin };
}

function at(scale: Scale, value: number): number {
    const share = (value - scale.from) / (scale.to - scale.from);
    return Math.max(0, Math.min(100, share * 100));
}

export function isComparison(e: Evidence): boolean {
    return ["ratio", "latency", "gauge", "rate"].includes(e.kind);
}

export function effectText(e: Evidence): string {
    const effect = num(e.effect);
    const text = inUnit(e.effect, e.unit);
    return isComparison(e) || e.kind === "traffic" ? signed(text, effect) : text;
}

function sentence(e: Evidence): string {
    const interval = Number.isFinite(num(e.low))
        ? `, interval ${inUnit(e.low, e.unit)} to ${inUnit(e.high, e.unit)}`
        : "";
    return `effect ${effectText(e)}${interval}, tolerance ${inUnit(e.tolerate, e.unit)}`;
}

function Interval({ e, scale }: { e: Evidence; scale: Scale }) {
    const low = num(e.low);
    const high = num(e.high);
    if (Number.isNaN(low) || Number.isNaN(high)) {
        return null;
    }
    const x1 = at(scale, low);
    const x2 = at(scale, high);
    return (
        <>
            <line class="whisker" x1={`${x1}%`} x2={`${x2}%`} y1="24" y2="24" />
            {low >= scale.from && <line class="whisker" x1={`${x1}%`} x2={`${x1}%`} y1="18" y2="30" />}
            {high <= scale.to && <line class="whisker" x1={`${x2}%`} x2={`${x2}%`} y1="18" y2="30" />}
        </>
    );
}

/** Text beside a line, kept inside the drawing. */
function Label({ x, y, children, kind }: { x: number; y: number; children: string; kind: string }) {
    const anchor = x < 12 ? "start" : x > 88 ? "end" : "middle";
    return (
        <text class={kind} x={`${x}%`} y={y} text-anchor={anchor}>
            {children}
        </text>
    );
}

function Zone({ kind, from, to }: { kind: string; from: number; to: number }) {
    return to > from ? <rect class={kind} x={`${from}%`} width={`${to - from}%`} y="8" height="32" /> : null;
}

/** Where the effect may lie. Which side of its limit a query must keep shows in the verdict on its value. */
function toleratedRange(e: Evidence, tolerate: number, effect: number): [number, number] {
    if (e.kind === "traffic") {
        return [-tolerate, tolerate];
    }
    const below = isComparison(e) || e.kind === "slo" || (e.state === "pass") === effect < tolerate;
    return below ? [-Infinity, tolerate] : [tolerate, Infinity];
}

export function IntervalPlot({ e }: { e: Evidence }) {
    const tolerate = num(e.tolerate);
    const effect = num(e.effect);
    if (Number.isNaN(effect) && Number.isNaN(num(e.low))) {
        return <p class="interval-none quiet">no effect measured yet; tolerance {inUnit(e.tolerate, e.unit)}</p>;
    }
    const scale = scaleOf([num(e.low), num(e.high), effect, tolerate], tolerate);
    const zero = at(scale, 0);
    const limit = at(scale, tolerate);
    const fine = toleratedRange(e, tolerate, effect).map((v) => at(scale, v)) as [number, number];
    return (
        <svg class={`interval is-${e.state}`} height="56" role="img" aria-label={sentence(e)} data-testid="interval">
            {Number.isFinite(tolerate) && (
                <>
                    <Zone kind="harm" from={0} to={fine[0]} />
                    <Zone kind="tolerated" from={fine[0]} to={fine[1]} />
                    <Zone kind="harm" from={fine[1]} to={100} />
                </>
            )}
            <line class="zero" x1={`${zero}%`} x2={`${zero}%`} y1="8" y2="40" />
            {Number.isFinite(tolerate) && <line class="limit" x1={`${limit}%`} x2={`${limit}%`} y1="4" y2="44" />}
            <Interval e={e} scale={scale} />
            {Number.isFinite(effect) && <circle class="effect" cx={`${at(scale, effect)}%`} cy="24" r="4.5" />}
            <Label x={zero} y={54} kind="tick">
                0
            </Label>
            {Number.isFinite(tolerate) && Math.abs(limit - zero) > 6 && (
                <Label x={limit} y={54} kind="tick">
                    {isComparison(e) || e.kind === "traffic"
                        ? `tolerated ${inUnit(tolerate, e.unit)}`
                        : `limit ${inUnit(tolerate, e.unit)}`}
                </Label>
            )}
        </svg>
    );
}
