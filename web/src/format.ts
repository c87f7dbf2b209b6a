// Numbers and times as people read them. Pure; what is not known is a dash, never "NaN".
import type { Num } from "./api";

export const DASH = "–";

/** A number of the wire as a number; NaN when it is not known. */
export function num(value: Num | undefined): number {
    if (typeof value === "number") {
        return value;
    }
    return value === "+Inf" ? Infinity : value === "-Inf" ? -Infinity : NaN;
}

const SPACE = "\u202f"; // narrow, does not break

function trim(text: string): string {
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** `digits` significant digits, without an exponent while that stays readable. */
export function significant(value: number, digits: number): string {
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-6 || size >= 1e12)) {
        return value.toExponential(digits - 1);
    }
    return trim(value.toPrecision(digits).includes("e") ? value.toFixed(0) : value.toPrecision(digits));
}

/** Percent of a fraction: 0.00123 -> "0.123 %". */
export function percent(fraction: Num | undefined, digits = 3): string {
    const value = num(fraction);
    if (Number.isNaN(value)) {
        return DASH;
    }
    return `${Number.isFinite(value) ? significant(value * 100, digits) : value > 0 ? "∞" : "-∞"}${SPACE}%`;
}

/** Percent of a ratio near one, with as many nines as it takes to tell it from its target. */
export function availability(ratio: Num | undefined): string {
    const value = num(ratio);
    if (Number.isNaN(value)) {
        return DASH;
    }
    const away = Math.abs(1 - value);
    const places = away === 0 ? 0 : Math.min(6, Math.max(1, Math.ceil(-Math.log10(away * 100)) + 1));
    const rounded = Math.floor(value * 100 * 10 ** places + 1e-9) / 10 ** places; // never up to a full 100
    return `${trim(rounded.toFixed(places))}${SPACE}%`;
}

/** Percent that is already percent: weights of traffic. */
export function weight(pct: Num | undefined): string {
    const value = num(pct);
    return Number.isNaN(value) ? DASH : `${significant(value, 3)}${SPACE}%`;
}

export function signed(text: string, value: number): string {
    return value > 0 ? `+${text}` : text.replace(/^-/, "−");
}

/** A value of a check in its unit, as its effect, interval and tolerance are. */
export function inUnit(value: Num | undefined, unit: string, digits = 3): string {
    const v = num(value);
    if (Number.isNaN(v)) {
        return DASH;
    }
    switch (unit) {
        case "ratio":
            return percent(v, digits);
        case "percent":
            return weight(v);
        case "seconds":
        case "s":
            return Math.abs(v) < 1
                ? `${significant(v * 1000, digits)}${SPACE}ms`
                : `${significant(v, digits)}${SPACE}s`;
        case "bytes":
            return bytes(v);
        default:
            return (
                (Math.abs(v) >= 10_000 ? count(v) : significant(v, digits)) + (unit && unit !== "1" ? SPACE + unit : "")
            );
    }
}

export function bytes(value: number): string {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    while (Math.abs(value) >= 1024 && i < units.length - 1) {
        value /= 1024;
        i++;
    }
    return `${significant(value, 3)}${SPACE}${units[i]}`;
}

/** 12345 -> "12,345" with thin spaces instead of commas. */
export function count(value: Num | undefined): string {
    const v = num(value);
    if (!Number.isFinite(v)) {
        return DASH;
    }
    return Math.round(v)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, SPACE);
}

/** A length of time with at most two units: "0.8 s", "42 s", "3 min 20 s", "2 h 5 min", "28 d". */
export function duration(ms: number): string {
    if (!Number.isFinite(ms)) {
        return DASH;
    }
    if (ms < 10_000) {
        return `${trim((Math.max(0, ms) / 1000).toFixed(1))}${SPACE}s`;
    }
    const parts: [number, string][] = [
        [86_400_000, "d"],
        [3_600_000, "h"],
        [60_000, "min"],
        [1000, "s"],
    ];
    const first = parts.findIndex(([size]) => ms >= size);
    const [big, bigName] = parts[first] ?? [1000, "s"];
    const whole = Math.floor(ms / big);
    const [small, smallName] = parts[first + 1] ?? [0, ""];
    const rest = small ? Math.floor((ms % big) / small) : 0;
    return `${whole}${SPACE}${bigName}${rest ? ` ${rest}${SPACE}${smallName}` : ""}`;
}

export function ago(atMs: number, nowMs: number): string {
    const ms = nowMs - atMs;
    return ms < 2000 ? "just now" : `${duration(ms)} ago`;
}

function two(n: number): string {
    return n.toString().padStart(2, "0");
}

/** The local time of day, and the date as well when it is another day than `nowMs`. */
export function clockTime(atMs: number, nowMs: number): string {
    const at = new Date(atMs);
    const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    const today = new Date(nowMs).toDateString() === at.toDateString();
    return today ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** A burn rate: 1 is exactly the budget over the window. */
export function burnRate(value: Num | undefined): string {
    const v = num(value);
    if (Number.isNaN(v)) {
        return DASH;
    }
    return `${v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2)}×`;
}

export function shortHash(hex: string | undefined): string {
    return hex ? hex.slice(0, 10) : DASH;
}

/** "rolled_back" -> "rolled back" */
export function words(name: string): string {
    return name.replaceAll("_", " ");
}
