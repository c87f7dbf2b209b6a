#!/usr/bin/env python3
"""
report.py [--cpu FILE] SET... - the scored sets of bench.py held against the bars of docs/manual/judge.md.

FILE has the seconds of one core that judging each set took. Reads each set's rows.json (bench.py score --json) and the verdict files of cqed and of the reference.
Exit 0 when every bar is met, 1 when one is not.
"""
import json, math, os, sys

REFERENCES = ("kayenta", "flagger", "argo", "netflix", "cqed")
NAMES = {"submitted": "cqed judge", "cqed": "prototype", "netflix": "Netflix-type"}
# figure, of which judge, at most or at least, bar
BARS = (
    ("false rollback, mean", "submitted", "h0_mean", "<=", 1.0, "%"),
    ("false rollback, worst scenario", "submitted", "h0_worst", "<=", 5.0, "%"),
    ("harm detected", "submitted", "detected", ">=", 98.5, "%"),
    ("wrong promote, mean", "submitted", "wrong", "<=", 1.0, "%"),
    ("unchanged promoted in 60 min", "submitted", "promoted", ">=", 94.0, "%"),
    ("time to detect, Kayenta / cQED", "kayenta", "time", ">=", 10.0, ""),
    ("failed requests, Kayenta / cQED", "kayenta", "failed", ">=", 9.0, ""),
    ("time, Flagger / cQED", "flagger", "time", ">=", 12.0, ""),
    ("time, Argo / cQED", "argo", "time", ">=", 4.5, ""),
    ("failed requests, Flagger / cQED", "flagger", "failed", ">=", 11.0, ""),
    ("failed requests, Argo / cQED", "argo", "failed", ">=", 4.3, ""),
    ("time, Netflix-type / cQED", "netflix", "time", ">=", 0.8, ""),
)


def pooled(sets):
    """scenario -> judge -> one row, averaged over the sets by the number of traces"""
    rows = {}
    for d in sets:
        for r in json.load(open(os.path.join(d, "rows.json"))):
            rows.setdefault((r["scenario"], r["label"]), {}).setdefault(r["judge"], []).append(r)
    keys = ("rollback", "promote", "detect", "wrong_promote", "tmean", "failmean")
    out = {}
    for key, judges in rows.items():
        for judge, L in judges.items():
            n = sum(r["n"] for r in L)
            out.setdefault(key, {})[judge] = dict({k: sum(r[k] * r["n"] for r in L) / n for k in keys}, n=n)
    return out


def figures(rows, judge):
    h0 = [j[judge] for (_, label), j in rows.items() if label == "none"]
    h1 = [(j[judge], j["submitted"]) for (_, label), j in rows.items() if label == "harm"]
    mean = lambda v: sum(v) / len(v) if v else float("nan")
    geo = lambda v: math.exp(mean([math.log(x) for x in v]))
    return dict(
        h0_mean=100 * mean([r["rollback"] for r in h0]), h0_worst=100 * max(r["rollback"] for r in h0),
        promoted=100 * mean([r["promote"] for r in h0]), detected=100 * mean([r["detect"] for r, _ in h1]),
        wrong=100 * mean([r["wrong_promote"] for r, _ in h1]),
        time=geo([r["tmean"] / max(s["tmean"], 1) for r, s in h1]),
        failed=geo([(r["failmean"] + 1) / (s["failmean"] + 1) for r, s in h1]))


def verdicts(path):
    out = {}
    for line in open(path):
        x = json.loads(line)
        out.setdefault(x["id"], {})[x["verdict"]] = float(x["t"])
    return out


def compare(sets):
    n = equal = kind = 0
    for d in sets:
        a = verdicts(os.path.join(d, "cqed.jsonl"))
        b = verdicts(os.path.join(d, ".ref_cqed_0.05.jsonl"))
        for sid, want in b.items():
            got = a.get(sid, {})
            n += 1
            equal += got == want
            kind += set(got) == set(want)
            if set(got) != set(want):
                print(f"  {os.path.basename(d)}/{sid}: cqed judge {got}, prototype {want}")
    print(f"verdict by verdict with the prototype: {n} traces, {kind} the same verdict, {equal} at the same second")


def judged_a_minute(path, n):
    """traces that one core judges in a minute"""
    return 60 * n / sum(float(line) for line in open(path))


def main():
    sets, cpu = sys.argv[1:], None
    if sets[0] == "--cpu":
        cpu, sets = sets[1], sets[2:]
    rows = pooled(sets)
    judges = ["submitted"] + [j for j in REFERENCES if all(j in v for v in rows.values())]
    all_figures = {j: figures(rows, j) for j in judges}
    print(f"{len(sets)} sets, {sum(j['submitted']['n'] for j in rows.values())} traces, {len(rows)} scenarios; "
          f"ratios are geometric means over the harmful scenarios, judge / cqed judge")
    print(f"{'judge':<14}{'false rollback':>16}{'worst':>8}{'promoted':>10}{'detected':>10}{'wrong':>8}{'time':>8}{'failed':>8}")
    for j, f in all_figures.items():
        print(f"{NAMES.get(j, j):<14}{f['h0_mean']:>15.2f}%{f['h0_worst']:>7.1f}%{f['promoted']:>9.1f}%{f['detected']:>9.1f}%"
              f"{f['wrong']:>7.2f}%{f['time']:>8.2f}{f['failed']:>8.2f}")
    missed = 0
    print(f"\n{'figure':<36}{'measured':>10}{'bar':>10}")
    for name, judge, key, sign, bar, unit in BARS:
        v = all_figures.get(judge, {}).get(key, float("nan"))
        met = v <= bar if sign == "<=" else v >= bar
        missed += not met
        print(f"{name:<36}{v:>9.2f}{unit or ' '}{sign + ' ' + format(bar, 'g') + unit:>10}  {'' if met else 'MISSED'}")
    if cpu:
        v = judged_a_minute(cpu, sum(j["submitted"]["n"] for j in rows.values()))
        missed += v < 10000
        print(f"{'traces of an hour a minute, one core':<36}{v:>9.0f} {'>= 10000':>10}  {'' if v >= 10000 else 'MISSED'}")
    print()
    compare(sets)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
