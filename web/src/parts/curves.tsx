// Canary against stable over time, drawn by uPlot. It reads its colours from the style sheet.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { api, type Curves, type Num } from "../api";
import { theme } from "../appearance";
import { clockTime, DASH, inUnit, num } from "../format";

const EVERY_MS = 2000;
const HEIGHT = 150;

export type View = "arms" | "difference" | "evidence";

/** A colour variable as the present theme has it: light-dark() is only resolved on an element. */
function color(name: string, probe: HTMLElement): string {
    probe.style.color = `var(${name})`;
    const found = getComputedStyle(probe).color;
    probe.style.color = "";
    return found;
}

function column(values: Num[]): (number | null)[] {
    return values.map((v) => {
        const n = num(v);
        return Number.isFinite(n) ? n : null;
    });
}

function dataOf(curves: Curves, view: View): uPlot.AlignedData {
    const t = curves.t.map((ms) => ms / 1000);
    if (view === "arms") {
        return [t, column(curves.canary), column(curves.stable)]; // stable stays visible where both are the same
    }
    if (view === "evidence") {
        const full = num(curves.logLimit);
        return [t, column(curves.logE), t.map(() => (Number.isFinite(full) ? full : null))];
    }
    const tolerate = num(curves.tolerate);
    const limit = t.map(() => (Number.isFinite(tolerate) ? tolerate : null));
    return [t, column(curves.low), column(curves.high), column(curves.effect), limit];
}

function seriesOf(view: View, unit: string, ink: (name: string) => string): uPlot.Series[] {
    const value = (_: uPlot, v: number | null) => inUnit(v, unit);
    const time = { label: "at", value: (_: uPlot, t: number | null) => (t ? clockTime(t * 1000, t * 1000) : DASH) };
    if (view === "arms") {
        return [
            time,
            { label: "canary", stroke: ink("--canary"), width: 2.5, value, points: { show: false } },
            { label: "stable", stroke: ink("--stable"), width: 1.25, value, points: { show: false } },
        ];
    }
    if (view === "evidence") {
        return [
            time,
            { label: "ln evidence of harm", stroke: ink("--canary"), width: 2, value, points: { show: false } },
            { label: "shown at", stroke: ink("--fail"), width: 1, dash: [4, 4], value, points: { show: false } },
        ];
    }
    const edge = { stroke: ink("--faint"), width: 1, value, points: { show: false } };
    return [
        time,
        { ...edge, label: "low" },
        { ...edge, label: "high" },
        { label: "effect", stroke: ink("--canary"), width: 2, value, points: { show: false } },
        { label: "tolerated", stroke: ink("--fail"), width: 1, dash: [4, 4], value, points: { show: false } },
    ];
}

function optionsOf(parent: HTMLElement, view: View, unit: string, marks: { current: Mark[] }): uPlot.Options {
    const ink = (name: string) => color(name, parent);
    const axis = {
        stroke: ink("--quiet"),
        font: "11px system-ui, sans-serif",
        grid: { stroke: ink("--line"), width: 1 },
        ticks: { show: false },
    };
    const options: uPlot.Options = {
        width: parent.clientWidth,
        height: HEIGHT,
        padding: [8, 24, 0, 0],
        cursor: { y: false, drag: { x: false, y: false } },
        legend: { markers: { width: 0, fill: strokeOf } },
        hooks: {
            setData: [showNewest],
            setCursor: [showNewest],
            drawSeries: [(u, series) => series === 1 && drawMarks(u, marks.current, ink)],
        },
        scales: { y: { range: (_, min, max) => rangeOf(view, min, max) } },
        axes: [
            { ...axis, size: 26, values: (_, splits) => splits.map((t) => clockTime(t * 1000, t * 1000)) },
            { ...axis, size: 52, values: (_, splits) => splits.map((v) => inUnit(v, unit)) },
        ],
        series: seriesOf(view, unit, ink),
    };
    if (view === "difference") {
        options.bands = [{ series: [2, 1], fill: ink("--band") }];
    }
    return options;
}

function strokeOf(u: uPlot, index: number): string {
    const stroke = u.series[index]?.stroke;
    return String(typeof stroke === "function" ? stroke(u, index) : stroke);
}

/** A moment to mark in the curves: when another share of traffic went to the canary. */
export interface Mark {
    atMs: number;
    label: string;
}

function drawMarks(u: uPlot, marks: Mark[], ink: (name: string) => string): void {
    const { left, top, width, height } = u.bbox;
    const scale = devicePixelRatio;
    u.ctx.save();
    u.ctx.strokeStyle = ink("--quiet");
    u.ctx.fillStyle = ink("--quiet");
    u.ctx.font = `${10 * scale}px system-ui, sans-serif`;
    u.ctx.lineWidth = scale;
    u.ctx.setLineDash([2 * scale, 3 * scale]);
    for (const { atMs, label } of marks) {
        const x = Math.round(u.valToPos(atMs / 1000, "x", true));
        if (x >= left && x <= left + width) {
            u.ctx.beginPath();
            u.ctx.moveTo(x, top);
            u.ctx.lineTo(x, top + height);
            u.ctx.stroke();
            u.ctx.fillText(label, x + 3 * scale, top + 9 * scale);
        }
    }
    u.ctx.restore();
}

/** The legend says the newest values while the pointer is elsewhere. */
function showNewest(u: uPlot): void {
    if (u.cursor.idx === null || u.cursor.idx === undefined) {
        u.setLegend({ idx: u.data[0].length - 1 }, false);
    }
}

function rangeOf(view: View, min: number | null, max: number | null): [number, number] {
    const top = max ?? 0;
    const low = view === "arms" ? 0 : Math.min(0, min ?? 0);
    return top > low ? [low, top + (top - low) * 0.1] : [low, low + 0.01];
}

/** The present curves of one check; asked for again while it is live. */
function useCurves(rollout: string, check: string, live: boolean) {
    const curves = useSignal<Curves | null>(null);
    const problem = useSignal("");
    useEffect(() => {
        let gone = false;
        const fetchNow = async () => {
            try {
                const fresh = await api.curves(rollout, check);
                if (!gone) {
                    curves.value = fresh;
                    problem.value = "";
                }
            } catch (error) {
                problem.value = (error as Error).message;
            }
        };
        void fetchNow();
        const timer = live ? setInterval(() => void fetchNow(), EVERY_MS) : undefined;
        return () => {
            gone = true;
            clearInterval(timer);
        };
    }, [rollout, check, live]);
    return { curves, problem };
}

function usePlot(curves: Curves | null, view: View, marks: Mark[]) {
    const latest = useRef(marks);
    latest.current = marks;
    const box = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | null>(null);
    const present = theme.value;
    const has = curves !== null && curves.t.length > 1;
    const unit = view === "evidence" ? "1" : (curves?.unit ?? "");
    useEffect(() => {
        const parent = box.current;
        if (!parent || !has || !curves) {
            return;
        }
        const made = new uPlot(optionsOf(parent, view, unit, latest), dataOf(curves, view), parent);
        plot.current = made;
        const sizes = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height: HEIGHT }));
        sizes.observe(parent);
        return () => {
            sizes.disconnect();
            made.destroy();
            plot.current = null;
        };
    }, [has, view, unit, present]);
    useEffect(() => plot.current?.redraw(false), [marks.length]);
    useEffect(() => {
        if (curves && has) {
            plot.current?.setData(dataOf(curves, view));
        }
    }, [curves]);
    return { box, has };
}

interface Props {
    rollout: string;
    check: string;
    live: boolean;
    marks: Mark[];
}

export function CheckCurves({ rollout, check, live, marks }: Props) {
    const view = useSignal<View>("arms");
    const { curves, problem } = useCurves(rollout, check, live);
    const { box, has } = usePlot(curves.value, view.value, marks);
    const tab = (name: View, text: string) => (
        <button class="tab" aria-pressed={view.value === name} onClick={() => (view.value = name)}>
            {text}
        </button>
    );
    return (
        <div class="curves" data-testid="curves" data-points={curves.value?.t.length ?? 0}>
            <div class="tabs" role="group" aria-label="curves">
                {tab("arms", "Both arms")}
                {tab("difference", "Difference")}
                {tab("evidence", "Evidence")}
            </div>
            <div ref={box} role="img" aria-label={`${check}: canary against stable over time`} />
            {!has && (
                <p class="quiet nothing">{problem.value || "no curve yet: the first buckets are being counted"}</p>
            )}
        </div>
    );
}
