import assert from "node:assert/strict";
import { test } from "node:test";
import {
    ago,
    availability,
    burnRate,
    bytes,
    clockTime,
    count,
    DASH,
    duration,
    inUnit,
    num,
    percent,
    shortHash,
    signed,
    significant,
    weight,
    words,
} from "./format";

/** Narrow spaces as plain ones, so that the cases can be read. */
const plain = (text: string) => text.replaceAll("\u202f", " ");

test("a number that is not known is a dash, whatever its name on the wire", () => {
    for (const unknown of [null, "NaN", undefined] as const) {
        assert.equal(percent(unknown), DASH);
        assert.equal(availability(unknown), DASH);
        assert.equal(weight(unknown), DASH);
        assert.equal(count(unknown), DASH);
        assert.equal(burnRate(unknown), DASH);
        assert.equal(inUnit(unknown, "seconds"), DASH);
    }
    assert.equal(num("+Inf"), Infinity);
    assert.equal(num("-Inf"), -Infinity);
    assert.equal(num(0), 0);
});

test("percent keeps significant digits, not places", () => {
    const cases: [number, string][] = [
        [0, "0 %"],
        [0.00123456, "0.123 %"],
        [0.5, "50 %"],
        [1, "100 %"],
        [-0.58, "-58 %"],
        [0.0000001, "0.00001 %"],
        [12.345, "1235 %"],
        [Infinity, "∞ %"],
    ];
    for (const [value, text] of cases) {
        assert.equal(plain(percent(value)), text);
    }
});

test("availability never rounds up to a promise that was not kept", () => {
    const cases: [number, string][] = [
        [1, "100 %"],
        [0.99999, "99.999 %"],
        [0.9999999, "99.99999 %"],
        [0.9964, "99.64 %"],
        [0.99, "99 %"],
        [0.999, "99.9 %"],
        [0.9995, "99.95 %"],
        [0.5, "50 %"],
        [0, "0 %"],
    ];
    for (const [value, text] of cases) {
        assert.equal(plain(availability(value)), text);
    }
});

test("durations have at most two units", () => {
    const cases: [number, string][] = [
        [0, "0 s"],
        [800, "0.8 s"],
        [-5, "0 s"],
        [9_960, "10 s"],
        [42_000, "42 s"],
        [60_000, "1 min"],
        [200_000, "3 min 20 s"],
        [7_500_000, "2 h 5 min"],
        [28 * 86_400_000, "28 d"],
        [NaN, DASH],
    ];
    for (const [ms, text] of cases) {
        assert.equal(plain(duration(ms)), text);
    }
});

test("what just happened is not 0 s ago", () => {
    assert.equal(ago(1000, 1500), "just now");
    assert.equal(plain(ago(0, 42_000)), "42 s ago");
});

test("a time of another day says which", () => {
    const noon = new Date(2026, 10, 24, 12, 5, 9).getTime();
    assert.equal(clockTime(noon, noon + 1000), "12:05:09");
    assert.equal(clockTime(noon, noon + 86_400_000), "2026-11-24 12:05:09");
});

test("values in their own units", () => {
    const cases: [number, string, string][] = [
        [0.0042, "ratio", "0.42 %"],
        [24.6, "percent", "24.6 %"],
        [0.3, "seconds", "300 ms"],
        [2.5, "seconds", "2.5 s"],
        [536_870_912, "bytes", "512 MiB"],
        [3, "1", "3"],
        [3, "", "3"],
        [3, "requests", "3 requests"],
        [64_557_056, "1", "64 557 056"],
    ];
    for (const [value, unit, text] of cases) {
        assert.equal(plain(inUnit(value, unit)), text);
    }
    assert.equal(plain(bytes(1023)), "1023 B".replace("1023", significant(1023, 3)));
});

test("small things", () => {
    assert.equal(plain(count(2419805)), "2 419 805");
    assert.equal(count(12), "12");
    assert.equal(burnRate(0.314), "0.31×");
    assert.equal(burnRate(14.42), "14.4×");
    assert.equal(burnRate(720.4), "720×");
    assert.equal(signed("0.1 %", 0.001), "+0.1 %");
    assert.equal(signed("-0.1 %", -0.001), "−0.1 %");
    assert.equal(words("rolling_back"), "rolling back");
    assert.equal(shortHash(undefined), DASH);
    assert.equal(shortHash("0123456789abcdef"), "0123456789");
    assert.equal(significant(1234567, 3), "1234567");
});
