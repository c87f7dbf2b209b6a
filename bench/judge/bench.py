#!/usr/bin/env python3
"""
bench.py - seeded canary-scenario generator, reference judges and scorer for cQED.

Self-contained: Python >= 3.9, numpy >= 1.22, scipy.special (Debian: python3-numpy python3-scipy).

Modes
  bench.py run     [--suite NAME] [--seed S] [--reps N] [--jobs J] [--judges a,b,c] [--alpha A]
        simulate a suite, run every built-in judge, print one table row per (scenario, judge)
        and (with --json FILE) write machine-readable rows.
  bench.py gen     --out DIR [--seed S] [--per N] [--suite trace] [--format csv|json] [--cumulative] [--jitter]
        write one trace per scenario instance  DIR/<id>.csv|json , the public manifest
        DIR/manifest.jsonl (id, file, duration, nominal weight, bucket edges; NO truth) and the
        secret DIR/truth.jsonl (scenario name, seed, effect, label).
  bench.py judge   --dir DIR --judge NAME --out FILE     run a built-in judge on written traces
  bench.py score   --dir DIR --verdicts FILE [--ref kayenta,flagger,argo,cqed]
        score verdicts of ANY program.  One JSON object a line:
          {"id": "...", "verdict": "rollback"|"promote"|"none", "t": seconds_since_rollout_start}
        an id may have a promote line AND a later rollback line (alarm of the post-promotion watch).
  bench.py equal   [--suite NAMES] [--reps N]          cqed's judge against the prototype, run by run (make bench-judge)
  bench.py multi   [--seed S] [--reps N]                 combining many SLIs: average of e-values vs Bonferroni
  bench.py watch   [--seed S]                            post-promotion watch: e-detector vs CUSUM vs threshold
  bench.py vectors                                       numeric test vectors for unit tests in C
  bench.py list                                          list suites and scenarios

Time: the rollout starts at t = 0 and lasts DUR = 3600 s.  t < 0 is an A/A period of PRE = 3600 s in
which the arm called "canary" is a pseudo-canary: a subset of the OLD version's pods of the same size.
A judge may use it to learn dispersion and latency thresholds.  Buckets are DT = 5 s wide; a decision
taken on the bucket that covers [t, t+5) is stamped t+5.

Randomness: every (scenario, chunk) has its own numpy PCG64 stream seeded with
SeedSequence([seed, crc32(scenario name), chunk]); results do not depend on --jobs.
"""
import argparse, csv, json, math, os, sys, time, zlib
from dataclasses import dataclass, field, asdict, replace
from typing import Optional, List, Tuple, Dict
import numpy as np
from scipy.special import gammaln, ndtr, ndtri, bdtrc, betaln

DT, DUR, PRE = 5, 3600, 3600
T, TP = DUR // DT, PRE // DT
MIN = 60 // DT                                     # buckets a minute
INF = np.inf
DWELL = 300                                        # no judge with evidence-based promotion may promote earlier
# latency bucket upper edges, ms (Renard R10 series, contains the Prometheus default edges)
EDGES = np.array([5, 6.3, 8, 10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 320, 400,
                  500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6300, 8000, 10000.])
J = len(EDGES) + 1
PROM_EDGES = np.array([5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000.])

# ------------------------------------------------------------------------------------------------
# scenarios
# ------------------------------------------------------------------------------------------------
# base latency: mixture of two lognormals (weight, median ms, sigma): p50 81, p90 146, p95 178, p99 304 ms
LAT_BASE = ((0.98, 80.0, 0.45), (0.02, 250.0, 0.45))

# tolerated degradation ("margins") used both by the judges and for labelling the truth
R_ERR, D_ERR = 1.5, 0.0005       # errors : p_B <= max(1.5 p_A, p_A + 0.05 %)
OR_LAT, D_LAT = 1.5, 0.002       # latency: per threshold, odds ratio 1.5 or + 0.2 points
TAILS = (0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.003)   # exceedance levels of the latency threshold bank (harm test)
N_NI = 6                         # non-inferiority is required at the first 6 of them (p50 ... p99)


@dataclass
class Scenario:
    name: str
    rps: float = 1000.0              # total request rate (both arms)
    weight: float = 0.05             # canary share
    steps: Optional[List[Tuple[float, float]]] = None   # [(t, weight)...] stepped roll-out
    p: float = 0.01                  # base error rate
    ratio: float = 1.0               # canary error-rate ratio
    onset: float = 0.0               # seconds after start at which the effect begins
    lat: bool = False                # with latency histogram
    lat_effect: Tuple = ("none",)    # ("scale",f) ("tail",frac,mult) ("bimodal",frac,median)
    # nuisance
    diurnal: float = 0.0             # common drift amplitude: traffic +-diurnal, log error rate +-2*diurnal
    blips: float = 0.0               # common dependency blips per hour: both arms' error rate x20 for 30 s
    cluster: float = 1.0             # mean size of error clusters (geometric); dispersion = 2*cluster-1
    od_cv: float = 0.0               # white per-bucket cv of the canary arm's error rate (gamma), less in control
    ar_sd: float = 0.0               # AR(1) log error-rate noise of the canary arm (sd), tau below
    ar_tau: float = 60.0
    lat_ar: float = 0.0              # AR(1) log latency-scale noise of the canary arm (sd)
    podhet: float = 0.0              # persistent log error-rate difference between pods (sd, canary arm)
    lat_podhet: float = 0.0
    warm: float = 1.0                # warm-up: canary error rate x warm at t=0, decaying with warm_tau
    warm_lat: float = 1.0
    warm_tau: float = 25.0
    missing: float = 0.0             # probability that one arm's scrape is missing in a bucket
    resets: float = 0.0              # counter resets per hour and arm (pod restarts)
    gauge: bool = False              # gauge scenario (CPU, memory, queue depth): arrays gA gB, no requests
    g_sd: float = 0.1                # AR(1) log noise of the canary arm
    g_tau: float = 60.0
    g_eff: float = 1.0               # canary multiplier
    g_leak: float = 0.0              # canary growth per minute
    tags: str = ""

    def declares_warmup(self):
        """the operator has told the judge that new pods of this service need to warm up (the judge is not told how much)"""
        return self.warm != 1 or self.warm_lat != 1

    def label(self):
        """truth: 'none' (no change), 'gray' (changed, inside the tolerated margin), 'harm' (beyond it)"""
        changed, beyond = False, False
        if self.ratio > 1:
            changed = True
            if self.p * self.ratio > max(R_ERR * self.p, self.p + D_ERR) * 1.0001: beyond = True
        if self.ratio < 1: changed = True
        if self.gauge and (self.g_eff != 1 or self.g_leak):
            changed = True
            if self.g_eff >= 1.2 or self.g_leak * DUR / 60 >= 0.2: beyond = True
        if self.lat and self.lat_effect[0] != "none":
            changed = True
            sa = 1 - lat_cdf(EDGES, 1.0)
            sb = 1 - lat_cdf(EDGES, 1.0, self.lat_effect)
            for tl in TAILS[:N_NI]:
                j = int(np.argmin(np.abs(np.log(np.maximum(sa, 1e-9) / tl))))
                if sb[j] > max(or_to_ratio(OR_LAT, sa[j]) * sa[j], sa[j] + D_LAT): beyond = True
        return "harm" if beyond else ("gray" if changed else "none")


def or_to_ratio(orr, s):
    return orr / (1 - s + s * orr)


def lat_cdf(x, scale=1.0, effect=("none",)):
    """CDF of the latency mixture at x (ms), time scale factor `scale` (array ok)."""
    lx = np.log(x)
    ls = np.log(scale)
    def base(mult=1.0):
        out = 0.0
        for w, med, sg in LAT_BASE:
            out = out + w * ndtr((lx - ls - math.log(med * mult)) / sg)
        return out
    k = effect[0]
    if k == "none": return base()
    if k == "scale": return base(effect[1])
    if k == "tail": return (1 - effect[1]) * base() + effect[1] * base(effect[2])
    if k == "bimodal": return (1 - effect[1]) * base() + effect[1] * ndtr((lx - ls - math.log(effect[2])) / 0.2)
    raise ValueError(k)


class Batch:
    """R replicates of one scenario. Arrays (R, TP+T): nA nB eA eB ; hA hB (R, TP+T, J) or None."""
    def __init__(self, sc, R):
        self.sc, self.R = sc, R
        self.w = np.full(TP + T, sc.weight)
        if sc.steps:
            tt = (np.arange(TP + T) - TP) * DT
            self.w[:] = sc.steps[0][1]
            for t0, w in sc.steps: self.w[tt >= t0] = w


def ar1(rng, R, n, sd, tau):
    if sd == 0: return np.zeros((R, n))
    a = math.exp(-DT / tau)
    x = np.empty((R, n)); x[:, 0] = rng.normal(0, sd, R)
    e = rng.normal(0, sd * math.sqrt(1 - a * a), (R, n))
    for t in range(1, n): x[:, t] = a * x[:, t - 1] + e[:, t]
    return x


_SC = np.linspace(-1.2, 2.0, 641)                  # quantised log latency scale factors


def _pv_table(effect):
    c = lat_cdf(EDGES[None, :], np.exp(_SC)[:, None], effect)
    c = np.concatenate([np.zeros((len(_SC), 1)), c, np.ones((len(_SC), 1))], 1)
    p = np.maximum(np.diff(c, axis=1), 0)
    p = p / p.sum(1, keepdims=True)
    return p * (1 - 1e-12)


def generate(sc: Scenario, R: int, rng) -> Batch:
    b = Batch(sc, R); n = TP + T
    tt = (np.arange(n) - TP) * DT
    if sc.gauge:
        sh = math.sqrt(sc.weight / (1 - sc.weight))
        com = ar1(rng, R, n, 0.2, 600.0)                       # load shared by both arms
        lA = com + ar1(rng, R, n, sc.g_sd, sc.g_tau) * sh
        lB = com + ar1(rng, R, n, sc.g_sd, sc.g_tau)
        h = rng.normal(0, sc.lat_podhet, (R, 2)) if sc.lat_podhet else np.zeros((R, 2))
        eff = np.where(tt >= max(sc.onset, 0), math.log(sc.g_eff) + np.log1p(sc.g_leak * np.maximum(tt - sc.onset, 0) / 60), 0)
        b.gA, b.gB = np.exp(lA), np.exp(lB + np.where(tt[None, :] < 0, h[:, :1], h[:, 1:]) + eff)
        z = np.zeros((R, n), int); b.nA = b.nB = b.eA = b.eB = z; b.hA = b.hB = None
        return b
    w = b.w
    # traffic and common drift
    ph = rng.uniform(0, 2 * math.pi, R)[:, None]
    per = 7200.0
    drift = np.sin(2 * math.pi * tt[None, :] / per + ph) if sc.diurnal else np.zeros((R, n))
    lam = sc.rps * DT * (1 + sc.diurnal * drift)
    nA = rng.poisson(lam * (1 - w)); nB = rng.poisson(lam * w)
    com = np.exp(2 * sc.diurnal * drift)
    if sc.blips:
        m = np.ones((R, n))
        k = rng.poisson(sc.blips * (PRE + DUR) / 3600.0, R)
        for r in range(R):
            for s in rng.integers(0, n, k[r]): m[r, s:s + 6] = 20.0
        com = com * m
    shr = np.sqrt(w / (1 - w))[None, :]             # control averages over more pods
    zA = ar1(rng, R, n, sc.ar_sd, sc.ar_tau) * shr if sc.ar_sd else 0.0
    zB = ar1(rng, R, n, sc.ar_sd, sc.ar_tau) if sc.ar_sd else 0.0
    mA = com * np.exp(zA - 0.5 * (sc.ar_sd * shr) ** 2)
    mB = com * np.exp(zB - 0.5 * sc.ar_sd ** 2)
    if sc.od_cv:
        kB = 1 / sc.od_cv ** 2; kA = kB / shr ** 2
        mB = mB * rng.gamma(kB, 1 / kB, (R, n)); mA = mA * rng.gamma(np.broadcast_to(kA, (R, n))) / kA
    if sc.podhet:                                   # different pods before and after the start
        h = rng.normal(0, sc.podhet, (R, 2)); h = np.exp(h - 0.5 * sc.podhet ** 2)
        mB = mB * np.where(tt[None, :] < 0, h[:, :1], h[:, 1:])
    on = (tt >= sc.onset) & (tt >= 0)
    mB = mB * np.where(on, sc.ratio, 1.0)[None, :]
    if sc.warm != 1:
        mB = mB * np.where(tt >= 0, 1 + (sc.warm - 1) * np.exp(-np.maximum(tt, 0) / sc.warm_tau), 1.0)[None, :]
    pA = np.minimum(sc.p * mA, 0.95); pB = np.minimum(sc.p * mB, 0.95)
    if sc.cluster > 1:
        g = 1.0 / sc.cluster
        def clus(nn, p):
            c = rng.poisson(nn * p / sc.cluster)
            return np.minimum(c + np.where(c > 0, rng.negative_binomial(np.maximum(c, 1), g), 0), nn)
        eA, eB = clus(nA, pA), clus(nB, pB)
    else:
        eA, eB = rng.binomial(nA, pA), rng.binomial(nB, pB)
    hA = hB = None
    if sc.lat:
        lA = ar1(rng, R, n, sc.lat_ar, sc.ar_tau) * shr if sc.lat_ar else np.zeros((R, n))
        lB = ar1(rng, R, n, sc.lat_ar, sc.ar_tau) if sc.lat_ar else np.zeros((R, n))
        if sc.diurnal: lA = lA + 0.3 * sc.diurnal * drift; lB = lB + 0.3 * sc.diurnal * drift
        if sc.lat_podhet:
            h = rng.normal(0, sc.lat_podhet, (R, 2))
            lB = lB + np.where(tt[None, :] < 0, h[:, :1], h[:, 1:])
        if sc.warm_lat != 1:
            lB = lB + np.where(tt >= 0, np.log(1 + (sc.warm_lat - 1) * np.exp(-np.maximum(tt, 0) / sc.warm_tau)), 0)[None, :]
        tb0, tb1 = _pv_table(("none",)), _pv_table(sc.lat_effect)
        hA = np.empty((R, n, J), np.int32); hB = np.empty((R, n, J), np.int32)
        flat = not (np.any(lA) or np.any(lB))
        i0 = int(np.argmin(np.abs(_SC)))
        if flat:
            hA[:] = rng.multinomial(nA, tb0[i0])
            hB[:, ~on] = rng.multinomial(nB[:, ~on], tb0[i0]); hB[:, on] = rng.multinomial(nB[:, on], tb1[i0])
        else:
            q = lambda l: np.clip(np.rint((l - _SC[0]) / (_SC[1] - _SC[0])).astype(int), 0, len(_SC) - 1)
            iA, iB = q(lA), q(lB)
            for r in range(R):
                hA[r] = rng.multinomial(nA[r], tb0[iA[r]])
                pv = np.where(on[:, None], tb1[iB[r]], tb0[iB[r]])
                hB[r] = rng.multinomial(nB[r], pv)
    # counter resets: the arm's counters restart from 0; the increments of a uniform part of that bucket are lost
    b.resetA = b.resetB = None
    if sc.resets:
        for arm in "AB":
            rs = rng.random((R, n)) < sc.resets * DT / 3600.0
            loss = np.where(rs, rng.random((R, n)), 0.0)
            if arm == "A": nn, ee, hh = nA, eA, hA
            else: nn, ee, hh = nB, eB, hB
            lostE = rng.binomial(ee, loss); lostN = rng.binomial(nn - ee, loss) + lostE
            if hh is not None:
                for r, t in zip(*np.nonzero(rs)): hh[r, t] -= rng.binomial(hh[r, t], loss[r, t]).astype(np.int32)
                s = hh.sum(2); nn2 = np.where(rs, s, nn); ee2 = np.minimum(ee - lostE, nn2)
            else: nn2, ee2 = nn - lostN, ee - lostE
            if arm == "A": nA, eA, b.resetA = nn2, ee2, rs
            else: nB, eB, b.resetB = nn2, ee2, rs
    b.nA, b.nB, b.eA, b.eB, b.hA, b.hB = nA, nB, eA, eB, hA, hB
    b.okA = b.okB = None
    if sc.missing:
        b.okA = rng.random((R, n)) >= sc.missing; b.okB = rng.random((R, n)) >= sc.missing
        b.okA[:, -1] = b.okB[:, -1] = True
        align(b)
    return b


def align(b):
    """Lossless treatment of missing scrapes of cumulative counters: merge buckets until BOTH arms reported."""
    ok = b.okA & b.okB
    arrs = [b.nA, b.nB, b.eA, b.eB] + ([b.hA, b.hB] if b.hA is not None else [])
    for a in arrs:
        carry = np.zeros(a.shape[:1] + a.shape[2:], a.dtype)
        for t in range(a.shape[1]):
            o = ok[:, t]
            cur = a[:, t] + carry
            m = o if a.ndim == 2 else o[:, None]
            a[:, t] = np.where(m, cur, 0); carry = np.where(m, 0, cur)


# ------------------------------------------------------------------------------------------------
# small helpers for judges
# ------------------------------------------------------------------------------------------------
def dwell(t):
    return np.where(np.isfinite(t), np.maximum(t, DWELL), INF)


def first_true(m, step=1, off=1):
    """seconds of first True along axis 1 (INF if none); column i is the look at bucket (i+off)*step."""
    any_ = m.any(1)
    t = (np.argmax(m, 1) + off) * step * DT
    return np.where(any_, t.astype(float), INF)


def per_min(a):
    return a.reshape(a.shape[0], -1, MIN, *a.shape[2:]).sum(2)


def hist_quantile(h, q, edges=EDGES):
    """Prometheus histogram_quantile (linear interpolation inside the bucket). h (..., J)."""
    c = np.cumsum(h, -1).astype(float); tot = c[..., -1:]
    r = q * tot
    j = np.minimum((c < r).sum(-1), len(edges))
    lo = np.concatenate([[0], edges])[j]
    hi = np.concatenate([edges, [edges[-1]]])[j]
    cj = np.take_along_axis(c, j[..., None], -1)[..., 0]
    hj = np.take_along_axis(h, j[..., None], -1)[..., 0]
    cprev = cj - hj
    f = np.where(hj > 0, (r[..., 0] - cprev) / np.maximum(hj, 1), 0)
    v = lo + (hi - lo) * np.clip(f, 0, 1)
    return np.where(tot[..., 0] > 0, v, np.nan)


def to_prom(h):
    """coarsen the R10 histogram to the Prometheus default buckets"""
    idx = np.searchsorted(PROM_EDGES, np.concatenate([EDGES, [np.inf]]), side="left")
    out = np.zeros(h.shape[:-1] + (len(PROM_EDGES) + 1,), h.dtype)
    for j in range(J): out[..., idx[j]] += h[..., j]
    return out


def roll(b):  # rollout part only
    s = slice(TP, TP + T)
    return b.nA[:, s], b.nB[:, s], b.eA[:, s], b.eB[:, s]


def thresholds(b):
    """latency thresholds (edge indices per replicate) from the control arm of the A/A period + exceedance."""
    h = b.hA[:, :TP].sum(1).astype(float)
    s = 1 - np.cumsum(h, 1)[:, :-1] / np.maximum(h.sum(1, keepdims=True), 1)     # exceedance at each edge
    s = np.maximum(s, 1e-9)
    idx = np.stack([np.argmin(np.abs(np.log(s / tl)), 1) for tl in TAILS], 1)    # (R, n_tails)
    return idx, np.take_along_axis(s, idx, 1)


def exceed(h, idx):
    """counts above edge idx[r,k]: (R,T,ntail)"""
    top = h[..., ::-1].cumsum(-1)[..., ::-1]                     # counts in bin >= j
    top = top[..., 1:]                                           # above edge j
    return np.take_along_axis(top, np.broadcast_to(idx[:, None, :], h.shape[:2] + (idx.shape[1],)), 2)


# ------------------------------------------------------------------------------------------------
# reference judges. Each returns (t_rollback, t_promote) arrays in seconds, INF = never in 60 min.
# ------------------------------------------------------------------------------------------------
def judge_flagger(b, alpha, interval=1, limit=5):
    """Flagger defaults: each minute, canary success rate >= 99 % (or 1-2p for services whose base rate is
    higher), canary p99 <= 500 ms, no data = failed check; 5 failed checks (cumulative) -> rollback."""
    nA, nB, eA, eB = roll(b)
    n, e = per_min(nB), per_min(eB)
    bad = (n == 0) | (e > max(0.01, 2 * b.sc.p) * n)
    if b.hB is not None:
        bad |= hist_quantile(to_prom(per_min(b.hB[:, TP:])), 0.99, PROM_EDGES) > 500
    c = np.cumsum(bad, 1)
    t = first_true(c >= limit, MIN)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_argo(b, alpha, k_err=1.5, k_lat=1.2, limit=3):
    """Argo-Rollouts-like relative check each minute: canary error rate > 1.5 x baseline's, or canary p95 >
    1.2 x baseline's; failureLimit 3 (the 4th failed measurement aborts); no canary request = no measurement."""
    nA, nB, eA, eB = [per_min(x) for x in roll(b)]
    with np.errstate(all="ignore"):
        bad = (nB > 0) & (nA > 0) & (eB / nB > k_err * (eA / nA)) & (eB > 0)
    if b.hB is not None:
        qa = hist_quantile(per_min(b.hA[:, TP:]), 0.95); qb = hist_quantile(per_min(b.hB[:, TP:]), 0.95)
        with np.errstate(invalid="ignore"): bad |= qb > k_lat * qa
    t = first_true(np.cumsum(bad, 1) > limit, MIN)
    return t, np.where(np.isinf(t), DUR, INF)


def _mw_high(x, y, conf=0.98, tol=0.25):
    """Kayenta MannWhitneyClassifier 'High': lower CI bound of the location shift (experiment - control, by
    inverting the tie-corrected rank-sum test with continuity correction) > tol*|Hodges-Lehmann estimate|,
    and mean ratio >= 1.  x, y: (R, n), (R, m), NaN = missing."""
    R = x.shape[0]
    out = np.zeros(R, bool)
    z = -ndtri((1 - conf) / 2)
    if not np.isnan(x).any() and not np.isnan(y).any():
        n, m = x.shape[1], y.shape[1]
        d = (x[:, :, None] - y[:, None, :]).reshape(R, -1)
        d.sort(axis=1)
        ties = lambda a: ((a[:, :, None] == a[:, None, :]).sum(2) ** 2 - 1.0).sum(1)
        tc = ties(x) + ties(y)
        sg = np.sqrt(n * m / 12 * ((n + m + 1) - tc / ((n + m) * (n + m - 1))))
        u = n * m / 2 + 0.5 + z * sg                       # U(mu) = #{d > mu} must equal u at the lower bound
        k = np.clip(np.floor(n * m - u).astype(int), 0, n * m - 1)
        lower = np.take_along_axis(d, k[:, None], 1)[:, 0]
        hl = 0.5 * (d[:, (n * m - 1) // 2] + d[:, n * m // 2])
        mx, my = x.mean(1), y.mean(1)
        ratio_ok = np.where((mx == 0) | (my == 0), True, mx >= my)
        same = (x.max(1) == x.min(1)) & (y.max(1) == y.min(1)) & (x[:, 0] == y[:, 0])
        return (lower > tol * np.abs(hl)) & ratio_ok & ~same & (u < n * m)
    for r in range(R):
        a, c = x[r][~np.isnan(x[r])], y[r][~np.isnan(y[r])]
        if len(a) > 1 and len(c) > 1: out[r] = _mw_high(a[None], c[None], conf, tol)[0]
    return out


def judge_kayenta(b, alpha, every=10, first=10):
    """Kayenta NetflixACAJudge: per-minute series (error rate, p50, p95, p99), Mann-Whitney 98 %, tolerance
    0.25, every metric critical, direction increase; judged on the growing window every `every` minutes."""
    nA, nB, eA, eB = [per_min(x) for x in roll(b)]
    ser = []
    with np.errstate(all="ignore"):
        ser.append((np.where(nB > 0, eB / nB, np.nan), np.where(nA > 0, eA / nA, np.nan)))
    if b.hB is not None:
        pa, pb = per_min(b.hA[:, TP:]), per_min(b.hB[:, TP:])
        for q in (0.5, 0.95, 0.99): ser.append((hist_quantile(pb, q), hist_quantile(pa, q)))
    looks = list(range(first, 61, every))
    fail = np.zeros((b.R, len(looks)), bool); live = np.ones(b.R, bool)
    for i, k in enumerate(looks):
        for x, y in ser:
            idx = np.nonzero(live & ~fail[:, i])[0]
            if len(idx): fail[idx, i] |= _mw_high(x[idx, :k], y[idx, :k])
        live &= ~fail[:, i]
    t = np.where(fail.any(1), np.array(looks)[np.argmax(fail, 1)] * 60.0, INF)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_kayenta1(b, alpha):
    return judge_kayenta(b, alpha, every=1, first=5)


def _z(nA, nB, eA, eB):
    with np.errstate(all="ignore"):
        pp = (eA + eB) / (nA + nB)
        z = (eB / nB - eA / nA) / np.sqrt(pp * (1 - pp) * (1 / nA + 1 / nB))
    return np.where(np.isfinite(z), z, 0.0)


def _ridit_z(hA, hB):
    """Wilcoxon z of the pooled cumulative histograms (raw-sample Mann-Whitney on bins, tie corrected); >0 = canary slower"""
    hA = hA.astype(float); hB = hB.astype(float)
    tot = hA + hB; N = tot.sum(-1); nB = hB.sum(-1); nA = hA.sum(-1)
    mid = np.cumsum(tot, -1) - tot / 2
    W = (hB * mid).sum(-1) - nB * N / 2
    with np.errstate(all="ignore"):
        v = nA * nB / 12 * (N - (tot ** 3).sum(-1) / N ** 2)
        z = W / np.sqrt(v)
    return np.where(np.isfinite(z), z, 0.0)


def judge_zpeek(b, alpha):
    """fixed-horizon one-sided z-test of the cumulative counts (and Wilcoxon on raw latency), repeated every minute"""
    c = [np.cumsum(per_min(x), 1) for x in roll(b)]
    a = alpha / (2 if b.hB is not None else 1)
    m = (_z(*c) > -ndtri(a)) & (c[3] > 0)
    if b.hB is not None:
        m |= _ridit_z(np.cumsum(per_min(b.hA[:, TP:]), 1), np.cumsum(per_min(b.hB[:, TP:]), 1)) > -ndtri(a)
    t = first_true(m, MIN)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_exactpeek(b, alpha):
    """exact conditional binomial (Fisher-like) one-sided test on errors, repeated every minute"""
    nA, nB, eA, eB = [np.cumsum(per_min(x), 1) for x in roll(b)]
    q = nB / np.maximum(nA + nB, 1)
    m = (bdtrc(eB - 1, eA + eB, q) < alpha) & (eB > 0)
    t = first_true(m, MIN)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_zend(b, alpha):
    """the same z-test used once, at 60 min (valid, slow)"""
    c = [x.sum(1, keepdims=True) for x in roll(b)]
    a = alpha / (2 if b.hB is not None else 1)
    m = _z(*c) > -ndtri(a)
    if b.hB is not None: m |= _ridit_z(b.hA[:, TP:].sum(1, keepdims=True), b.hB[:, TP:].sum(1, keepdims=True)) > -ndtri(a)
    t = np.where(m[:, 0], float(DUR), INF)
    return t, np.where(np.isinf(t), DUR, INF)


_GS = {}
def gs_bound(alpha, K=12, kind="pocock"):
    """one-sided group-sequential constant by seeded Monte Carlo (4e5 paths): Pocock c, or O'Brien-Fleming c*sqrt(K/k)"""
    key = (alpha, K, kind)
    if key not in _GS:
        rng = np.random.default_rng(12345)
        s = np.cumsum(rng.normal(size=(400000, K)), 1) / np.sqrt(np.arange(1, K + 1))
        if kind == "obf": s = s / np.sqrt(K / np.arange(1, K + 1))
        _GS[key] = float(np.quantile(s.max(1), 1 - alpha))
    return _GS[key]


def judge_gs(b, alpha, kind="pocock", K=12):
    """group-sequential z-test on errors, K equally spaced looks (5 min), one-sided"""
    c = [np.cumsum(x.reshape(x.shape[0], K, -1).sum(2), 1) for x in roll(b)]
    z = _z(*c); g = gs_bound(alpha, K, kind)
    bd = g if kind == "pocock" else g * np.sqrt(K / np.arange(1, K + 1))
    t = first_true((z > bd) & (c[3] >= 5), T // K)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_gs_obf(b, alpha): return judge_gs(b, alpha, "obf")


def judge_msprt(b, alpha):
    """mSPRT (Johari et al.) on the difference of proportions, normal mixture with tau = 0.5 x pooled rate, every 5 s"""
    nA, nB, eA, eB = [np.cumsum(x, 1).astype(float) for x in roll(b)]
    with np.errstate(all="ignore"):
        pp = (eA + eB + 0.5) / (nA + nB + 1)
        V = pp * (1 - pp) * (1 / nA + 1 / nB); t2 = (0.5 * pp) ** 2
        d = eB / nB - eA / nA
        L = 0.5 * np.log(V / (V + t2)) + t2 * d * d / (2 * V * (V + t2))
    m = (L > math.log(1 / alpha)) & (d > 0)
    return first_true(m), np.full(b.R, INF)


def judge_betabin(b, alpha, k=100.0):
    """Lindon & Malek (Netflix count test): Dirichlet(k*rho) mixture on the canary's share of errors, rho = weight.
    two-sided test; rollback when 1/BF < alpha and the share is high; promote when the share that corresponds to
    the margin R_ERR is outside the (1-alpha) confidence sequence, above."""
    nA, nB, eA, eB = roll(b)
    w = b.w[TP:]
    if b.sc.steps is not None: raise ValueError("betabin needs a constant weight")
    rho = b.sc.weight
    S, F = np.cumsum(eB, 1), np.cumsum(eA, 1)
    lb = betaln(k * rho + S, k * (1 - rho) + F) - betaln(k * rho, k * (1 - rho))
    L = lb - S * math.log(rho) - F * math.log(1 - rho)
    rb = (L > math.log(1 / alpha)) & (S > rho * (S + F))
    th = rho * R_ERR / (1 - rho + rho * R_ERR)
    Lm = lb - S * math.log(th) - F * math.log(1 - th)
    pr = (Lm > math.log(1 / alpha)) & (S < th * (S + F))
    return first_true(rb), dwell(first_true(pr))


def judge_safe2x2(b, alpha, beta0=0.18):
    """Turner, Ly & Grunwald safe test for two proportions, block = one 5 s bucket, Beta plug-in prior 0.18
    ((nb/na)*0.18 for B), two-sided, rollback if E > 1/alpha and the canary's rate is higher."""
    nA, nB, eA, eB = roll(b)
    cA, cB = np.cumsum(eA, 1) - eA, np.cumsum(eB, 1) - eB
    NA, NB = np.cumsum(nA, 1) - nA, np.cumsum(nB, 1) - nB
    bB = beta0 * b.sc.weight / (1 - b.sc.weight)
    # same prior mean in both arms on a rare-event scale
    tA = (cA + beta0) / (NA + 2 * beta0); tB = (cB + bB) / (NB + 2 * bB)
    with np.errstate(all="ignore"):
        t0 = (nA * tA + nB * tB) / (nA + nB)
        inc = (eA * np.log(tA / t0) + (nA - eA) * np.log1p(-tA) - (nA - eA) * np.log1p(-t0)
               + eB * np.log(tB / t0) + (nB - eB) * np.log1p(-tB) - (nB - eB) * np.log1p(-t0))
    inc = np.where(np.isfinite(inc), inc, 0)
    L = np.cumsum(inc, 1)
    hi = np.cumsum(eB, 1) / np.maximum(np.cumsum(nB, 1), 1) > np.cumsum(eA, 1) / np.maximum(np.cumsum(nA, 1), 1)
    return first_true((L > math.log(1 / alpha)) & hi), np.full(b.R, INF)


def judge_oracle(b, alpha):
    """lower bound for any alpha-level test on errors: one-sided SPRT that KNOWS the true ratio (2.0 under H0)"""
    nA, nB, eA, eB = roll(b)
    r = b.sc.ratio if b.sc.ratio > 1 else 2.0
    with np.errstate(all="ignore"): q = np.where(nA + nB > 0, nB / (nA + nB), 0)
    inc = eB * math.log(r) - (eA + eB) * np.log1p(q * (r - 1))
    return first_true(np.cumsum(inc, 1) > math.log(1 / alpha)), np.full(b.R, INF)


def f_dkw(n, a):
    """Howard-Ramdas time-uniform DKW radius, valid for all n >= 1"""
    n = np.maximum(n, 1.0)
    return 0.85 * np.sqrt((np.log(np.log(np.e * n)) + 0.8 * np.log(1612 / a)) / n)


def dkw_tests(b, alpha, h=None):
    hA = np.cumsum(b.hA[:, TP:], 1); hB = np.cumsum(b.hB[:, TP:], 1)
    nA, nB = hA.sum(2), hB.sum(2)
    SA = 1 - np.cumsum(hA, 2)[..., :-1] / np.maximum(nA, 1)[..., None]
    SB = 1 - np.cumsum(hB, 2)[..., :-1] / np.maximum(nB, 1)[..., None]
    fA, fB = f_dkw(nA, alpha / 2), f_dkw(nB, alpha / 2)
    rb = (SB - SA).max(2) > fA + fB
    # non-inferiority at the threshold bank
    idx, s0 = [x[:, :N_NI] for x in thresholds(b)]
    ii = np.broadcast_to(idx[:, None, :], SA.shape[:2] + (idx.shape[1],))
    sa, sb = np.take_along_axis(SA, ii, 2), np.take_along_axis(SB, ii, 2)
    r = or_to_ratio(OR_LAT, s0)[:, None, :]
    la = np.maximum(sa - fA[..., None], 0)
    pr = (sb + fB[..., None] <= np.maximum(r * la, la + D_LAT)).all(2)
    return rb, pr


def judge_dkw(b, alpha):
    """Netflix KDD'22 latency test: sequential test of stochastic order with time-uniform DKW bands (alpha/2 each arm)"""
    rb, pr = dkw_tests(b, alpha)
    return first_true(rb), dwell(first_true(pr))


def judge_netflix(b, alpha):
    """Netflix-like composite: betabin counts (alpha/2) + DKW latency (alpha/2); promote when both are non-inferior"""
    if b.hB is None: return judge_betabin(b, alpha)
    a1, p1 = judge_betabin(b, alpha / 2); a2, p2 = judge_dkw(b, alpha / 2)
    return np.minimum(a1, a2), np.maximum(p1, p2)


def judge_dirmult(b, alpha):
    """two-sample multinomial safe test (k-category Turner-Grunwald): plug-in Dirichlet predictives on 12 bins
    (Prometheus default edges), block = 5 s bucket; two-sided, rollback when the canary is slower by ridit"""
    hA, hB = to_prom(b.hA).astype(float), to_prom(b.hB).astype(float)
    pre = hA[:, :TP].sum(1)
    base = (pre + 0.5) / (pre + 0.5).sum(1, keepdims=True)
    hA, hB = hA[:, TP:], hB[:, TP:]
    cA = np.cumsum(hA, 1) - hA; cB = np.cumsum(hB, 1) - hB
    k0 = 20.0
    pA = (cA + k0 * base[:, None]) / (cA.sum(2, keepdims=True) + k0)
    pB = (cB + k0 * base[:, None]) / (cB.sum(2, keepdims=True) + k0)
    nA, nB = hA.sum(2, keepdims=True), hB.sum(2, keepdims=True)
    p0 = (nA * pA + nB * pB) / np.maximum(nA + nB, 1)
    with np.errstate(all="ignore"):
        inc = (hA * np.log(pA / p0) + hB * np.log(pB / p0)).sum(2)
    L = np.cumsum(np.where(np.isfinite(inc), inc, 0), 1)
    slow = _ridit_z(np.cumsum(hA, 1), np.cumsum(hB, 1)) > 0
    return first_true((L > math.log(1 / alpha)) & slow), np.full(b.R, INF)


# ------------------------------------------------------------------------------------------------
# the recommended judge (cqed) and its plain, un-robustified core (grid)
# ------------------------------------------------------------------------------------------------
@dataclass
class Cfg:
    harm_grid: Tuple = (1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 25, 50, 100)   # times the harm null
    ni_mult: Tuple = (0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 2 / 3, 0.75, 0.85, 0.93)                # times the margin
    ni_w: Tuple = (0.06, 0.06, 0.08, 0.1, 0.1, 0.15, 0.2, 0.15, 0.06, 0.04)
    err_tol: float = 1.1             # harm null of errors : p_B <= err_tol * p_A
    lat_tol: float = 1.05            # harm null of latency: canary latencies <= lat_tol x baseline's (as a scale factor)
    v0: float = 0.5                  # start mixture: mass on "harm from the start"
    hazard: float = 1 / 120          # geometric hazard per bucket of a later onset, for the rest
    temper: bool = True              # dispersion tempering from the A/A period
    phi_run_cap: float = 1.5         # in-run dispersion can raise phi at most this much above the A/A value
    burst: float = 3.0               # K_cap = burst * expected + 10  (inf = off)
    inc_cap: float = 2.0             # nats one bucket may add to one stream (inf = off)
    warm: str = "declared"           # warm-up allowance: declared (only for services that declare a warm-up) | always | never
    warm_err: float = 3.0            # error null x (1+(warm_err-1) exp(-t/warm_tau))
    warm_lat: float = 2.0            # latency scale null x (1+(warm_lat-1) exp(-t/warm_tau))
    warm_tau: float = 30.0
    ni_from: float = 120.0           # with a warm-up allowance non-inferiority evidence counts from here (4 warm_tau)
    w_err: float = 0.5               # e-value weight of the error SLI when latency is present
    beta: float = 0.05               # probability to promote a canary beyond the margin
    blocks: Tuple = (1, 6, 24)       # dispersion block lengths in buckets (5, 30, 120 s)
    nu0: float = 4.0                 # prior degrees of freedom of phi = 1


PLAIN = Cfg(err_tol=1.0, lat_tol=1.0, temper=False, burst=INF, inc_cap=INF, warm="never", v0=1.0, hazard=0.0)
FULL = Cfg()


def lse(x, axis):
    m = x.max(axis)
    return m + np.log(np.exp(x - np.expand_dims(m, axis)).sum(axis))


def dispersion(bc, kc, qc, cfg):
    """phi >= 1 from the split of K bad events over the arms in the A/A period; arrays (N, TP).
    Pearson ratio of sums per block length, shrunk to 1; the 120 s value is extrapolated by its growth over the
    30 s value (time-correlated errors have not reached their plateau at 120 s)."""
    phi = {}
    for L in cfg.blocks:
        n = (bc.shape[1] // L) * L
        f = lambda a: a[:, :n].reshape(a.shape[0], -1, L).sum(2)
        B, K = f(bc), f(kc); Q = f(kc * qc) / np.maximum(K, 1e-9)
        sh = B.sum(1, keepdims=True) / np.maximum((K * Q).sum(1, keepdims=True), 1e-9)   # persistent pod difference
        sh = np.clip(sh, 0.25, 4.0)
        P = Q * sh / (1 - Q + Q * sh)
        v = K * P * (1 - P)
        num, den = ((B - K * P) ** 2).sum(1), v.sum(1)
        nu = (2 * v / (2 * v + 1)).sum(1)                          # effective degrees of freedom
        m = n // L
        raw = num / np.maximum(den, 1e-9) * m / max(m - 1, 1)
        phi[L] = np.where(den > 0, (cfg.nu0 + nu * raw) / (cfg.nu0 + nu), 1.0)
    a, b_, c = [phi[L] for L in cfg.blocks]
    return np.maximum.reduce([np.ones_like(a), a, b_, c + np.maximum(c - b_, 0)])


class RunDisp:
    """in-run dispersion of the split around its running share, 30 s and 120 s blocks, shrunk to phi0 (20 d.o.f.)"""
    LS = (6, 24)

    def __init__(self, N, phi0, cap):
        z = lambda: np.zeros(N)
        self.phi0, self.cap, self.phi = phi0, cap, phi0.copy()
        self.acc = {L: [z(), z(), z()] for L in self.LS}           # B, K, K*q of the open block
        self.num = {L: z() for L in self.LS}; self.den = {L: z() for L in self.LS}; self.nu = {L: z() for L in self.LS}
        self.cB, self.cK, self.cE = z(), z(), z()

    def update(self, t, B, K, q):
        self.cB += B; self.cK += K; self.cE += K * q
        closed = False
        for L in self.LS:
            a = self.acc[L]; a[0] += B; a[1] += K; a[2] += K * q
            if (t + 1) % L: continue
            closed = True
            Kb = a[1]; Q = np.where(Kb > 0, a[2] / np.maximum(Kb, 1e-9), 0)
            r = (self.cB + .5) / (self.cK - self.cB + .5) * (self.cK - self.cE + .5) / (self.cE + .5)   # running ratio
            P = Q * r / (1 - Q + Q * r)
            v = Kb * P * (1 - P)
            self.num[L] += (a[0] - Kb * P) ** 2; self.den[L] += v; self.nu[L] += 2 * v / (2 * v + 1)
            for x in a: x[:] = 0
        if closed:
            ph = self.phi0.copy()
            for L in self.LS:
                raw = self.num[L] / np.maximum(self.den[L], 1e-9)
                ph = np.maximum(ph, (20 * self.phi0 + self.nu[L] * raw) / (20 + self.nu[L]))
            self.phi = np.minimum(ph, self.cap * self.phi0)


def eprocess(B, K, q, r0, cfg, phi0=None, khat=None):
    """
    Core harm e-process, vectorised over N streams.  B, K (N,T): canary / total bad events per bucket;
    q (N,T) = nB/(nA+nB); r0 (T,) or (N,T): harm null "ratio_t <= r0_t" (tolerance x warm-up allowance);
    phi0 (N,): dispersion; khat (N,T): predictable expected K (burst cap).  Returns log E (N,T).
      inc_g = eta (b log g - K log((1-q+q r0 g)/(1-q+q r0))),  eta = min(1/phi, (burst khat+10)/K)
      M_g  <- (M_g + v_t) e^{inc_g};   E = sum_g w_g M_g + (mass not yet started)
      if log E grows by more than inc_cap, everything is scaled down to that growth.
    """
    N, TT = B.shape
    lr = np.log(np.array(cfg.harm_grid, float)); g = np.exp(lr)
    lw = np.full(len(g), -math.log(len(g)))
    M = np.full((N, len(g)), -INF)
    unst = 1.0; out = np.empty((N, TT)); S_prev = np.zeros(N)
    disc = np.zeros(N)                              # log of discarded wealth (applies to the unstarted mass too)
    rd = RunDisp(N, phi0, cfg.phi_run_cap) if cfg.temper else None
    for t in range(TT):
        v = min(cfg.v0 if t == 0 else unst * cfg.hazard, unst); unst -= v
        if v > 0: M = np.logaddexp(M, math.log(v) + disc[:, None])
        b_, k_, qq = B[:, t], K[:, t], q[:, t][:, None]
        r = r0[t] if np.ndim(r0) == 1 else r0[:, t][:, None]
        eta = np.ones(N)
        if cfg.temper: eta = 1 / rd.phi
        if np.isfinite(cfg.burst): eta = np.minimum(eta, (cfg.burst * khat[:, t] + 10) / np.maximum(k_, 1e-9))
        inc = b_[:, None] * lr - k_[:, None] * np.log((1 - qq + qq * r * g) / (1 - qq + qq * r))
        M = M + inc * eta[:, None]
        S = np.logaddexp(lse(M + lw, 1), (math.log(unst) if unst > 1e-300 else -INF) + disc)
        if np.isfinite(cfg.inc_cap):
            over = np.maximum(S - S_prev - cfg.inc_cap, 0)
            M = M - over[:, None]; disc = disc - over; S = S - over
        out[:, t] = S; S_prev = S
        if cfg.temper: rd.update(t, b_, k_, q[:, t])
    return out


def ni_process(B, K, q, r, cfg, phi):
    """log e-value against  p_B >= r p_A  (r (N,1)); cumulative, from ni_from on."""
    N, TT = B.shape
    t0 = int(cfg.ni_from // DT)
    eta = (1 / phi)[:, None]
    out = np.full((N, TT), -INF)
    for m, w in zip(cfg.ni_mult, cfg.ni_w):
        inc = (B * math.log(m) - K * np.log((1 - q + q * m * r) / (1 - q + q * r))) * eta
        inc[:, :t0] = 0
        out = np.logaddexp(out, math.log(w) + np.cumsum(inc, 1))
    return out


def ub_abs(S, F, phi, beta):
    """anytime upper confidence bound of a Bernoulli rate: sup{p: E(p) < 1/beta},
    E(p) = sum_c w_c c^S' ((1-cp)/(1-p))^F', S' = S/phi, F' = F/phi; bisection on log p."""
    c = np.array([0.01, 0.1, 0.25, 0.5, 0.75, 0.9]); lw = np.log(np.array([0.2, 0.15, 0.2, 0.2, 0.15, 0.1]))
    S, F = S / phi, F / phi
    lo = np.full(S.shape, 1e-7); hi = np.full(S.shape, 0.999)
    L = -math.log(beta)
    for _ in range(30):
        mid = np.sqrt(lo * hi)
        e = -INF
        for ci, wi in zip(c, lw): e = np.logaddexp(e, wi + S * math.log(ci) + F * (np.log1p(-ci * mid) - np.log1p(-mid)))
        big = e >= L                                     # rejected: the bound is below
        hi = np.where(big, mid, hi); lo = np.where(big, lo, mid)
    return hi


def lb_abs(S, F, phi, beta):
    """anytime lower confidence bound of a Bernoulli rate, multipliers > 1"""
    c = np.array([1.05, 1.1, 1.25, 1.5, 2.0, 4.0, 10.0, 100.0]); lw = -math.log(8.0)
    S, F = S / phi, F / phi
    lo = np.full(S.shape, 1e-8); hi = np.maximum(S / np.maximum(S + F, 1e-9), 2e-8)
    L = -math.log(beta)
    for _ in range(30):
        mid = np.sqrt(lo * hi); e = -INF
        for ci in c:
            p1 = np.minimum(ci * mid, 0.999)
            e = np.logaddexp(e, lw + S * np.log(p1 / mid) + F * (np.log1p(-p1) - np.log1p(-mid)))
        big = e >= L
        lo = np.where(big, mid, lo); hi = np.where(big, hi, mid)
    return lo


def surv_at(b, x):
    """baseline exceedance S_A(x) per replicate from the A/A control histogram, log-log interpolation. x (R,k) ms"""
    h = b.hA[:, :TP].sum(1).astype(float)
    n = h.sum(1, keepdims=True)
    S = (n - np.cumsum(h, 1)[:, :-1] + 0.5) / (n + 1)
    lS, lE = np.log(S), np.log(EDGES)
    lx = np.clip(np.log(x), lE[0], lE[-1])
    j = np.clip(np.searchsorted(lE, lx, side="right") - 1, 0, len(EDGES) - 2)
    f = (lx - lE[j]) / (lE[j + 1] - lE[j])
    return np.exp(np.take_along_axis(lS, j, 1) * (1 - f) + np.take_along_axis(lS, j + 1, 1) * f)


def cqed_core(b, alpha, cfg, want=None):
    if not (cfg.warm == "always" or (cfg.warm == "declared" and b.sc.declares_warmup())):
        cfg = replace(cfg, warm_err=1.0, warm_lat=1.0, ni_from=0.0)
    nA, nB, eA, eB = [x.astype(float) for x in roll(b)]
    n = nA + nB
    q = np.where(n > 0, nB / np.maximum(n, 1), 0.0)
    pre = slice(0, TP)
    pn = (b.nA[:, pre] + b.nB[:, pre]).astype(float)
    pq = np.where(pn > 0, b.nB[:, pre] / np.maximum(pn, 1), 0)
    lat = b.hB is not None
    decay = np.exp(-np.arange(T) * DT / cfg.warm_tau)
    # ---- errors
    k = eA + eB
    phi0 = dispersion(b.eB[:, pre].astype(float), (b.eA + b.eB)[:, pre].astype(float), pq, cfg) if cfg.temper else np.ones(b.R)
    cK = np.cumsum(eA, 1) - eA; cN = np.cumsum(nA, 1) - nA        # control's past incl. the A/A period
    pa = (b.eA[:, pre].sum(1, keepdims=True) + cK + 0.5) / (b.nA[:, pre].sum(1, keepdims=True) + cN + 50.0)
    E_err = eprocess(eB, k, q, cfg.err_tol * (1 + (cfg.warm_err - 1) * decay), cfg, phi0, pa * n)
    tot = E_err
    # ---- latency bank
    if lat:
        idx, s0 = thresholds(b); nt = idx.shape[1]
        xa = exceed(b.hA, idx).astype(float); xb = exceed(b.hB, idx).astype(float)
        fl = lambda a: np.moveaxis(a, 2, 1).reshape(-1, a.shape[1])
        XA, XB = fl(xa), fl(xb)
        rep = lambda a: np.repeat(a, nt, 0)
        Q = rep(q)
        ph = dispersion(XB[:, pre], (XA + XB)[:, pre], rep(pq), cfg) if cfg.temper else np.ones(len(XA))
        XAr, XBr = XA[:, TP:], XB[:, TP:]
        preX, preN = XA[:, pre].sum(1, keepdims=True), rep(b.nA[:, pre].sum(1, keepdims=True).astype(float))
        cX = np.cumsum(XAr, 1) - XAr; cNn = rep(cN)
        sh = (preX + cX + 0.5) / (preN + cNn + 50.0)
        scale = cfg.lat_tol * (1 + (cfg.warm_lat - 1) * decay)       # tolerated latency scale at time t
        xe = EDGES[idx]; Sx = surv_at(b, xe)
        r0 = np.empty((b.R * nt, T))
        for t in range(T):
            if t and abs(scale[t] - scale[t - 1]) < 1e-4: r0[:, t] = r0[:, t - 1]; continue
            r0[:, t] = 1.0 if scale[t] == 1 else np.maximum(surv_at(b, xe / scale[t]) / Sx, 1.0).reshape(-1)
        E = eprocess(XBr, XAr + XBr, Q, r0, cfg, ph, sh * rep(n)).reshape(b.R, nt, -1)
        tot = np.logaddexp(math.log(cfg.w_err) + E_err, math.log((1 - cfg.w_err) / nt) + lse(E, 1))
    t_rb = first_true(tot >= math.log(1 / alpha))
    # ---- promotion: every SLI non-inferior at level beta
    t0 = int(cfg.ni_from // DT)
    lb = math.log(2 / cfg.beta)                                     # ratio test or absolute test: beta/2 each
    okE = ni_process(eB, k, q, np.full((b.R, 1), R_ERR), cfg, phi0) >= lb
    cb, ca = np.cumsum(eB[:, t0:], 1), np.cumsum(eA[:, t0:], 1)
    nb, na = np.cumsum(nB[:, t0:], 1), np.cumsum(nA[:, t0:], 1)
    sl = slice(MIN - 1, None, MIN)                                  # the absolute bound once a minute is enough
    U = ub_abs(cb[:, sl], (nb - cb)[:, sl], phi0[:, None], cfg.beta / 4)
    Lw = lb_abs(ca[:, sl], (na - ca)[:, sl], phi0[:, None], cfg.beta / 4)
    okA = np.zeros_like(okE); ix = np.arange(t0 + MIN - 1, T, MIN)[:U.shape[1]]
    okA[:, ix] = U <= Lw + D_ERR
    ok = np.maximum.accumulate(okE, 1) | np.maximum.accumulate(okA, 1)
    if lat:
        s1 = s0[:, :N_NI]; sel = (np.arange(b.R * nt) % nt) < N_NI
        r = np.maximum(or_to_ratio(OR_LAT, s1), 1 + D_LAT / s1).reshape(-1, 1)
        okL = ni_process(XBr[sel], (XAr + XBr)[sel], Q[sel], r, cfg, ph[sel]) >= math.log(1 / cfg.beta)
        ok = ok & np.maximum.accumulate(okL, 1).reshape(b.R, N_NI, -1).all(1)
    if want is not None: want.update(E=tot, E_err=E_err, phi=phi0, philat=ph.reshape(b.R, nt) if lat else None)
    return t_rb, dwell(first_true(ok))


def judge_c(b, alpha, alone=0, reference=0):
    """cqed's own judge, the program bench_judge_runs ($CQED_JUDGE_RUNS, else the build's), on the same arrays"""
    import subprocess, struct
    exe = os.environ.get("CQED_JUDGE_RUNS") or os.path.join(os.path.dirname(__file__), "../../build/bench/bench_judge_runs")
    lat = b.hB is not None
    edges = np.full(64, np.inf)
    edges[:J - 1] = EDGES / 1000
    head = struct.pack("=7i4xd", b.R, TP, T, J if lat else 0, 120000 if b.sc.declares_warmup() else 0, alone, reference, alpha) + edges.tobytes()
    p = subprocess.Popen([exe], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    import threading
    def feed():
        p.stdin.write(head)
        for r in range(b.R):
            for a in (b.nA, b.nB, b.eA, b.eB) + ((b.hA, b.hB) if lat else ()): p.stdin.write(np.ascontiguousarray(a[r], np.int32).tobytes())
        p.stdin.close()
    t = threading.Thread(target=feed); t.start()
    out = np.frombuffer(p.stdout.read(), float).reshape(-1, 3)
    t.join()
    if p.wait() != 0 or len(out) != b.R: raise SystemExit("bench_judge_runs failed")
    b.phi_c = out[:, 2]
    return out[:, 0].copy(), out[:, 1].copy()


def judge_c_alone(b, alpha): return judge_c(b, alpha, 1)
def judge_c_ref(b, alpha): return judge_c(b, alpha, 0, 1)          # without docs/decisions/0009-judge-improved.md


def judge_grid(b, alpha): return cqed_core(b, alpha, PLAIN)
def judge_cqed(b, alpha): return cqed_core(b, alpha, FULL)
def judge_cqed_nowarm(b, alpha): return cqed_core(b, alpha, replace(FULL, warm="never"))
def judge_cqed_warm(b, alpha): return cqed_core(b, alpha, replace(FULL, warm="always"))
def judge_cqed_strict(b, alpha): return cqed_core(b, alpha, replace(FULL, err_tol=1.0, lat_tol=1.0))
def judge_cqed_notemper(b, alpha): return cqed_core(b, alpha, replace(FULL, temper=False))
def judge_cqed_norun(b, alpha): return cqed_core(b, alpha, replace(FULL, phi_run_cap=1.0))
def judge_cqed_run3(b, alpha): return cqed_core(b, alpha, replace(FULL, phi_run_cap=3.0))
def judge_cqed_noburst(b, alpha): return cqed_core(b, alpha, replace(FULL, burst=INF, inc_cap=INF))
def judge_cqed_nostart(b, alpha): return cqed_core(b, alpha, replace(FULL, v0=1.0, hazard=0.0))


# ---- gauges -----------------------------------------------------------------------------------
def _gmin(b):
    f = lambda a: a[:, TP:].reshape(b.R, -1, MIN).mean(2)
    return f(b.gA), f(b.gB)


def judge_g_argo(b, alpha):
    """per-minute mean of the canary > 1.2 x baseline's; the 4th failed measurement aborts"""
    a, c = _gmin(b)
    t = first_true(np.cumsum(c > 1.2 * a, 1) > 3, MIN)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_g_kayenta(b, alpha):
    a, c = _gmin(b)
    out = np.full(b.R, INF)
    for k in range(10, 61, 10):
        live = np.nonzero(np.isinf(out))[0]
        if len(live): out[live[_mw_high(c[live, :k], a[live, :k])]] = k * 60.0
    return out, np.where(np.isinf(out), DUR, INF)


def judge_g_tpeek(b, alpha):
    """one-sided t-test on the per-minute log ratios, repeated every minute from the 5th"""
    a, c = _gmin(b); d = np.log(c / a)
    n = np.arange(1, d.shape[1] + 1); m = np.cumsum(d, 1) / n
    v = (np.cumsum(d * d, 1) - n * m * m) / np.maximum(n - 1, 1)
    z = m / np.sqrt(np.maximum(v, 1e-12) / n)
    t = first_true((z > -ndtri(alpha) * (1 + 1.0 / n))[:, 4:], MIN, off=5)
    return t, np.where(np.isinf(t), DUR, INF)


def judge_g_cqed(b, alpha, tol=1.05, v0=0.5, haz=1 / 20, margin=1.2, beta=0.05):
    """Gaussian mixture e-process on 30 s block means of log(canary/baseline) with the long-run variance of the A/A period
    (30/60/120/240 s blocks, extrapolated, inflated for its estimation error), start mixture, tolerance tol."""
    L = 6
    d = np.log(b.gB / b.gA); blk = lambda x, k: x[:, :(x.shape[1] // k) * k].reshape(x.shape[0], -1, k).mean(2)
    p = blk(d[:, :TP], L); r = blk(d[:, TP:], L)
    v = {k: blk(p, k).var(1, ddof=1) * k for k in (1, 2, 4, 8)}
    nu = p.shape[1] / 8 - 1
    s2 = np.maximum.reduce([v[1], v[2], v[4], v[8] + np.maximum(v[8] - v[4], 0)]) * nu / (nu - 2)
    def mix(x, ds, v0, haz):
        M = np.full((b.R, len(ds)), -INF); un = 1.0; out = []
        for t in range(x.shape[1]):
            w = min(v0 if t == 0 else un * haz, un); un -= w
            if w > 0: M = np.logaddexp(M, math.log(w))
            M = M + (ds * x[:, t:t + 1] - ds ** 2 / 2) / s2[:, None]
            out.append(np.logaddexp(lse(M, 1) - math.log(len(ds)), math.log(un) if un > 1e-300 else -INF))
        return np.stack(out, 1)
    E = mix(r - math.log(tol), np.log(np.array([1.03, 1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0])), v0, haz)
    N = mix(math.log(margin) - r, math.log(margin) * np.array([0.25, 0.5, 0.75, 1.0, 1.5]), 1.0, 0.0)
    t = first_true(E >= math.log(1 / alpha), L)
    return t, dwell(first_true(N >= math.log(1 / beta), L))


JUDGES = {
    "g_argo": judge_g_argo, "g_kayenta": judge_g_kayenta, "g_tpeek": judge_g_tpeek, "g_cqed": judge_g_cqed,
    "flagger": judge_flagger, "argo": judge_argo, "kayenta": judge_kayenta, "kayenta1": judge_kayenta1,
    "zpeek": judge_zpeek, "exactpeek": judge_exactpeek, "zend": judge_zend, "gs_pocock": judge_gs, "gs_obf": judge_gs_obf,
    "msprt": judge_msprt, "betabin": judge_betabin, "safe2x2": judge_safe2x2, "dkw": judge_dkw, "dirmult": judge_dirmult,
    "netflix": judge_netflix, "grid": judge_grid, "cqed": judge_cqed, "oracle": judge_oracle,
    "cqed_nowarm": judge_cqed_nowarm, "cqed_strict": judge_cqed_strict, "cqed_warm": judge_cqed_warm,
    "cqed_notemper": judge_cqed_notemper, "cqed_norun": judge_cqed_norun, "cqed_run3": judge_cqed_run3,
    "cqed_noburst": judge_cqed_noburst, "cqed_nostart": judge_cqed_nostart, "c": judge_c, "c_alone": judge_c_alone, "c_ref": judge_c_ref,
}
ERR_ONLY = {"exactpeek", "gs_pocock", "gs_obf", "msprt", "betabin", "safe2x2", "oracle"}
LAT_ONLY = {"dkw", "dirmult"}
DEFAULT_ERR = ["flagger", "argo", "kayenta", "kayenta1", "zpeek", "exactpeek", "zend", "gs_pocock", "gs_obf", "msprt",
               "betabin", "safe2x2", "grid", "cqed", "cqed_warm", "oracle"]
DEFAULT_GAUGE = ["g_argo", "g_kayenta", "g_tpeek", "g_cqed"]
DEFAULT_LAT = ["flagger", "argo", "kayenta", "zpeek", "zend", "dkw", "dirmult", "netflix", "grid", "cqed", "cqed_warm"]

# ------------------------------------------------------------------------------------------------
# suites
# ------------------------------------------------------------------------------------------------
def _s(name, **k): return Scenario(name, **k)


def suites():
    S = {}
    h0 = []
    for p in (1e-4, 1e-3, 1e-2, 5e-2): h0.append(_s(f"h0_p{p:g}", p=p))
    for w in (0.01, 0.1, 0.5): h0.append(_s(f"h0_w{w:g}", weight=w))
    for rps in (10, 100, 5000): h0.append(_s(f"h0_rps{rps}", rps=rps))
    S["h0"] = h0
    S["h0noise"] = [
        _s("nz_diurnal", diurnal=0.5), _s("nz_blips", blips=4), _s("nz_cluster3", cluster=3), _s("nz_cluster10", cluster=10),
        _s("nz_odcv0.5", od_cv=0.5), _s("nz_ar0.3", ar_sd=0.3), _s("nz_ar0.6", ar_sd=0.6), _s("nz_podhet5%", podhet=0.05),
        _s("nz_podhet10%", podhet=0.10), _s("nz_warm4x25s", warm=4, warm_tau=25), _s("nz_warm4x60s", warm=4, warm_tau=60),
        _s("nz_missing", missing=0.1), _s("nz_resets", resets=20), _s("nz_steps", steps=[(0, .01), (600, .05), (1200, .1), (1800, .25), (2700, .5)]),
    ]
    S["power"] = [_s(f"x{r:g}_p{p:g}_w{w:g}", ratio=r, p=p, weight=w)
                  for p in (1e-4, 1e-3, 1e-2, 5e-2) for w in (0.01, 0.05, 0.1, 0.5) for r in (1.1, 1.25, 1.5, 2, 3, 5, 10)]
    S["power1"] = [_s(f"x{r:g}_p{p:g}_w0.05", ratio=r, p=p) for p in (1e-4, 1e-3, 1e-2, 5e-2) for r in (1.1, 1.25, 1.5, 2, 3, 5, 10)]
    S["powerw"] = [_s(f"x2_p0.01_w{w:g}", ratio=2, weight=w) for w in (0.01, 0.05, 0.1, 0.5)]
    S["rps"] = [_s(f"x{r:g}_p0.01_rps{q}", ratio=r, rps=q, weight=w) for q, w in ((1, .5), (10, .1), (100, .05), (5000, .01)) for r in (2, 5, 10)]
    S["onset"] = [_s(f"on{o}_x{r:g}", ratio=r, onset=o) for o in (600, 1800) for r in (2, 5)]
    S["noisepow"] = [
        _s("np_cluster3_x2", cluster=3, ratio=2), _s("np_cluster10_x3", cluster=10, ratio=3), _s("np_odcv0.5_x2", od_cv=0.5, ratio=2),
        _s("np_ar0.3_x2", ar_sd=0.3, ratio=2), _s("np_ar0.6_x2", ar_sd=0.6, ratio=2), _s("np_warm_x2", warm=4, ratio=2),
        _s("np_diurnal_x2", diurnal=0.5, ratio=2), _s("np_blips_x2", blips=4, ratio=2), _s("np_missing_x2", missing=0.1, ratio=2)]
    S["lath0"] = [_s("lh0", lat=True), _s("lh0_rps100", lat=True, rps=100), _s("lh0_w0.5", lat=True, weight=0.5),
                  _s("lh0_diurnal", lat=True, diurnal=0.5), _s("lh0_ar0.03", lat=True, lat_ar=0.03), _s("lh0_ar0.1", lat=True, lat_ar=0.1),
                  _s("lh0_podhet2%", lat=True, lat_podhet=0.02), _s("lh0_warm2x25s", lat=True, warm=3, warm_lat=2, warm_tau=25),
                  _s("lh0_missing", lat=True, missing=0.1)]
    le = [("scale", 1.05), ("scale", 1.1), ("scale", 1.25), ("scale", 1.5), ("scale", 2.0), ("tail", 0.005, 5.0), ("tail", 0.02, 5.0),
          ("bimodal", 0.02, 400.0), ("bimodal", 0.1, 400.0)]
    nm = lambda e: e[0] + "_".join([""] + [f"{x:g}" for x in e[1:]])
    S["lat"] = [_s(f"l_{nm(e)}_rps{q}", lat=True, lat_effect=e, rps=q) for q in (100, 1000) for e in le]
    S["latnoise"] = [_s(f"ln_{nm(e)}_ar0.03", lat=True, lat_effect=e, lat_ar=0.03) for e in (("scale", 1.1), ("scale", 1.25), ("tail", 0.02, 5.0))]
    S["promote"] = ([_s(f"pr_p{p:g}_w{w:g}", p=p, weight=w) for p in (1e-4, 1e-3, 1e-2, 5e-2) for w in (0.01, 0.05, 0.1, 0.5)]
                    + [_s("pr_edge_x1.5", ratio=1.5001), _s("pr_edge_x1.5_p0.001", p=1e-3, ratio=1.5001), _s("pr_edge_x2", ratio=2),
                       _s("pr_lat", lat=True), _s("pr_lat_rps100", lat=True, rps=100), _s("pr_edge_lat", lat=True, lat_effect=("scale", 1.16))])
    g = lambda n, **k: _s(n, gauge=True, **k)
    S["gauge"] = [g("g_h0"), g("g_h0_tau300", g_tau=300), g("g_h0_sd0.3", g_sd=0.3), g("g_h0_podhet2%", lat_podhet=0.02), g("g_h0_w0.5", weight=0.5),
                  g("g_x1.1", g_eff=1.1), g("g_x1.25", g_eff=1.25), g("g_x1.5", g_eff=1.5), g("g_x1.25_tau300", g_eff=1.25, g_tau=300), g("g_leak1%/min", g_leak=0.01), g("g_leak3%/min", g_leak=0.03)]
    # the acceptance suite: what a complete judge has to do; used by gen/score
    S["trace"] = [
        _s("t_h0", lat=True), _s("t_h0_low", lat=True, rps=50), _s("t_h0_p1e-4", lat=True, p=1e-4), _s("t_h0_w50", lat=True, weight=0.5, rps=300),
        _s("t_h0_diurnal", lat=True, diurnal=0.5), _s("t_h0_blips", lat=True, blips=4), _s("t_h0_cluster", lat=True, cluster=3),
        _s("t_h0_ar", lat=True, ar_sd=0.3, lat_ar=0.03), _s("t_h0_warm", lat=True, warm=4, warm_lat=2, warm_tau=25),
        _s("t_h0_missing", lat=True, missing=0.1), _s("t_h0_resets", lat=True, resets=20), _s("t_h0_od", lat=True, od_cv=0.5),
        _s("t_x1.25", lat=True, ratio=1.25), _s("t_x2", lat=True, ratio=2), _s("t_x5", lat=True, ratio=5), _s("t_x10_p1e-3", lat=True, ratio=10, p=1e-3),
        _s("t_x10_p1e-4", lat=True, ratio=10, p=1e-4), _s("t_x2_low", lat=True, ratio=2, rps=50), _s("t_x5_low", lat=True, ratio=5, rps=50),
        _s("t_x2_cluster", lat=True, ratio=2, cluster=3), _s("t_x2_warm", lat=True, ratio=2, warm=4, warm_lat=2),
        _s("t_x3_onset15m", lat=True, ratio=3, onset=900), _s("t_x2_missing", lat=True, ratio=2, missing=0.1), _s("t_x2_w1", lat=True, ratio=2, weight=0.01),
        _s("t_lat1.1", lat=True, lat_effect=("scale", 1.1)), _s("t_lat1.5", lat=True, lat_effect=("scale", 1.5)),
        _s("t_lattail", lat=True, lat_effect=("tail", 0.02, 5.0)), _s("t_latbimodal", lat=True, lat_effect=("bimodal", 0.1, 400.0)),
        _s("t_lat1.25_low", lat=True, rps=50, lat_effect=("scale", 1.25)), _s("t_lat1.25_ar", lat=True, lat_effect=("scale", 1.25), lat_ar=0.03),
    ]
    return S


# ------------------------------------------------------------------------------------------------
# running
# ------------------------------------------------------------------------------------------------
def stream(seed, name, chunk):
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode()), chunk])))


def exposure(b, t):
    """canary requests and failed canary requests between the onset and time t (60 min if never)"""
    o = int(b.sc.onset // DT)
    nB, eB = b.nB[:, TP:].copy(), b.eB[:, TP:].copy()
    nB[:, :o] = 0; eB[:, :o] = 0
    i = np.where(np.isinf(t), T, np.minimum(t / DT, T)).astype(int) - 1
    i = np.maximum(i, 0)
    cn = np.take_along_axis(np.cumsum(nB, 1), i[:, None], 1)[:, 0]
    ce = np.take_along_axis(np.cumsum(eB, 1), i[:, None], 1)[:, 0]
    return cn, ce


def work(a):
    sc, R, chunk, seed, judges, alpha = a
    rng = stream(seed, sc.name, chunk)
    b = generate(sc, R, rng)
    out = {}
    for j in judges:
        if sc.steps is not None and j in ("betabin", "safe2x2", "netflix"): continue
        rb, pr = JUDGES[j](b, alpha)
        cn, ce = exposure(b, rb)
        out[j] = (rb, pr, cn, ce)
    return sc.name, out


def run(scs, judges, seed, reps, alpha, jobs, log=sys.stderr):
    tasks = []
    for sc in scs:
        js = judges or (DEFAULT_GAUGE if sc.gauge else DEFAULT_LAT if sc.lat else DEFAULT_ERR)
        js = [j for j in js if not (sc.lat and j in ERR_ONLY) and not (not sc.lat and j in LAT_ONLY) and sc.gauge == j.startswith("g_")]
        ch = 100 if sc.lat else 500
        k = 0; left = reps
        while left > 0:
            tasks.append((sc, min(ch, left), k, seed, js, alpha)); left -= ch; k += 1
    res: Dict[str, Dict[str, list]] = {}
    t0 = time.time()
    if jobs > 1:
        from multiprocessing import Pool
        it = Pool(jobs).imap(work, tasks)
    else: it = map(work, tasks)
    for i, (name, out) in enumerate(it):
        for j, v in out.items(): res.setdefault(name, {}).setdefault(j, []).append(v)
        if log and (i % 10 == 9 or i == len(tasks) - 1): print(f"[{time.time()-t0:6.0f}s] {i+1}/{len(tasks)} {name}", file=log, flush=True)
    rows = []
    for sc in scs:
        for j, v in res[sc.name].items():
            rb, pr, cn, ce = [np.concatenate(x) for x in zip(*v)]
            rows.append(summarise(sc, j, rb, pr, cn, ce))
    return rows


def summarise(sc, j, rb, pr, cn, ce):
    """
    false_rb : share of runs with a rollback at any time of the 60 min (also after a promotion); for truth 'none' the FPR
    rollback : the same for changed canaries, only counting t >= onset      t50/t90: delay after onset (censored)
    wrongpr  : promoted before any rollback, although the (harmful) effect was already on
    promote  : promoted before any rollback (or none)
    """
    on = sc.onset if (sc.ratio != 1 or sc.lat_effect[0] != "none" or sc.g_eff != 1 or sc.g_leak) else 0.0
    roll = np.isfinite(rb) & (rb >= on)
    prom = np.isfinite(pr) & (pr < rb)
    q = lambda a, p: float(np.quantile(a, p)) if len(a) else float("nan")
    cens = np.sort(np.where(roll, rb - on, INF))
    med = lambda p: (lambda x: None if np.isinf(x) else float(x))(cens[min(int(p * len(cens)), len(cens) - 1)])
    return dict(scenario=sc.name, label=sc.label(), judge=j, n=len(rb), rollback=float(np.isfinite(rb).mean()), detect=float(roll.mean()),
                promote=float(prom.mean()), wrong_promote=float((prom & (pr >= on)).mean()), none=float((~np.isfinite(rb) & ~prom).mean()),
                t50=med(0.5), t90=med(0.9), tmean=float(np.minimum(cens, DUR - on).mean()),
                req50=q(cn[roll], .5), fail50=q(ce[roll], .5), failmean=float(ce.mean()), pr50=q(pr[prom], .5), pr90=q(pr[prom], .9))


def cmd_equal(a):
    """run by run, cqed's judge without its departures (c_ref) against the prototype: same verdict, same second"""
    n = verdict = second = 0
    odd = {}
    for sc in [s for k in a.suite.split(",") for s in suites()[k]]:
        b = generate(sc, a.reps, stream(a.seed, sc.name, 0))
        (r1, p1), (r2, p2) = judge_c_ref(b, a.alpha), judge_cqed(b, a.alpha)
        p1, p2 = np.where(p1 < r1, p1, INF), np.where(p2 < r2, p2, INF)
        same = (np.isfinite(r1) == np.isfinite(r2)) & (np.isfinite(p1) == np.isfinite(p2))
        n += b.R; verdict += same.sum(); second += ((r1 == r2) & (p1 == p2)).sum()
        if not same.all(): odd[sc.name] = int((~same).sum())
    print(f"{n} runs of {a.suite}: {verdict} the same verdict, {second} at the same second; others: {odd}")


def fmt(v, n=1):
    if v is None or (isinstance(v, float) and math.isnan(v)): return "-"
    return f"{v:.{n}f}" if isinstance(v, float) else str(v)


def print_rows(rows, file=sys.stdout):
    print(f"{'scenario':<26}{'truth':<6}{'judge':<14}{'n':>6}{'rollback':>10}{'promote':>9}{'none':>8}{'t50 s':>8}{'t90 s':>8}{'req@50':>9}"
          f"{'fail@50':>9}{'failmean':>9}{'prom50':>8}{'prom90':>8}", file=file)
    last = None
    for r in rows:
        if last and last != r["scenario"]: print(file=file)
        last = r["scenario"]
        print(f"{r['scenario']:<26}{r['label']:<6}{r['judge']:<14}{r['n']:>6}{100*r['rollback']:>9.2f}%{100*r['promote']:>8.1f}%{100*r['none']:>7.1f}%"
              f"{fmt(r['t50'],0):>8}{fmt(r['t90'],0):>8}{fmt(r['req50'],0):>9}{fmt(r['fail50'],0):>9}{fmt(r['failmean'],0):>9}{fmt(r['pr50'],0):>8}{fmt(r['pr90'],0):>8}", file=file)


# ------------------------------------------------------------------------------------------------
# traces
# ------------------------------------------------------------------------------------------------
def cmd_gen(a):
    os.makedirs(a.out, exist_ok=True)
    scs = suites()[a.suite]
    man, tru = [], []
    num = 0
    ids = np.random.default_rng(a.seed).permutation(len(scs) * a.per)
    for base in scs:
        rng = stream(a.seed, base.name, 10 ** 6)
        if not a.jitter: b = generate_raw(base, a.per, rng)
        for k in range(a.per):
            sc, r = base, k
            if a.jitter: sc, r = jitter(base, rng), 0; b = generate_raw(sc, 1, rng)
            sid = f"s{ids[num]:05d}"; num += 1
            fn = f"{sid}.{a.format}"
            write_trace(os.path.join(a.out, fn), b, r, a.format, a.cumulative)
            man.append(dict(id=sid, file=fn, dt=DT, pre=PRE, dur=DUR, weight=sc.weight if not sc.steps else sc.steps, edges_ms=EDGES.tolist() if sc.lat else [],
                            counters="cumulative" if a.cumulative else "increments", warmup_declared=sc.declares_warmup(),
                            margins=dict(err_ratio=R_ERR, err_abs=D_ERR, lat_odds=OR_LAT, lat_abs=D_LAT), slo=dict(err_max=max(0.01, 2 * sc.p), p99_ms=500)))
            tru.append(dict(id=sid, scenario=sc.name + ("/" + sc.label() if a.jitter else ""), label=sc.label(), r=r, params={k: v for k, v in asdict(sc).items()}))
    for fn, rows in (("manifest.jsonl", man), ("truth.jsonl", tru)):
        with open(os.path.join(a.out, fn), "w") as f:
            for x in sorted(rows, key=lambda x: x["id"]): f.write(json.dumps(x) + "\n")
    print(f"{len(man)} traces in {a.out}; keep truth.jsonl secret from the judge")


def jitter(sc, rng):
    """a random neighbour of the scenario: for hidden acceptance sets, so that nobody can tune to the listed parameters"""
    u = lambda lo, hi: float(np.exp(rng.uniform(math.log(lo), math.log(hi))))
    k = dict(rps=sc.rps * u(.5, 2), weight=min(sc.weight * u(.5, 2), .5), p=min(sc.p * u(.5, 2), .08))
    if sc.ratio != 1: k["ratio"] = 1 + (sc.ratio - 1) * u(.8, 1.5)
    for f in ("diurnal", "blips", "od_cv", "ar_sd", "lat_ar", "podhet", "lat_podhet", "missing", "resets"):
        if getattr(sc, f): k[f] = getattr(sc, f) * u(.6, 1.5)
    if sc.cluster > 1: k["cluster"] = 1 + (sc.cluster - 1) * u(.6, 1.5)
    if sc.ar_sd or sc.lat_ar: k["ar_tau"] = sc.ar_tau * u(.5, 1.5)
    if sc.warm > 1: k["warm"] = 1 + (sc.warm - 1) * u(.5, 1.2)
    if sc.warm_lat > 1: k["warm_lat"] = 1 + (sc.warm_lat - 1) * u(.5, 1.2)
    if sc.warm > 1 or sc.warm_lat > 1: k["warm_tau"] = sc.warm_tau * u(.6, 1.2)
    e = sc.lat_effect
    if e[0] == "scale": k["lat_effect"] = ("scale", 1 + (e[1] - 1) * u(.8, 1.4))
    if e[0] == "tail": k["lat_effect"] = ("tail", e[1] * u(.8, 1.6), 1 + (e[2] - 1) * u(.7, 1.5))
    if e[0] == "bimodal": k["lat_effect"] = ("bimodal", e[1] * u(.7, 1.5), e[2] * u(.8, 1.5))
    return replace(sc, **k)


def generate_raw(sc, R, rng):
    """like generate() but missing scrapes are kept apart (raw increments + ok masks)"""
    global align
    keep = align
    try:
        align = lambda b: None
        return generate(sc, R, rng)
    finally: align = keep


def write_trace(path, b, r, form, cumulative):
    """columns: t, arm(baseline|canary), up(1 = scraped), total, bad, then J latency bucket counts (NOT le-cumulative).
    counters are per-bucket increments, or (--cumulative) running counters that drop at a counter reset, as a
    scraper would see them; rows with up=0 are scrapes that failed (no data)."""
    rows = []
    lat = b.hA is not None
    for arm, n, e, h, ok, rs in (("baseline", b.nA, b.eA, b.hA, b.okA, b.resetA), ("canary", b.nB, b.eB, b.hB, b.okB, b.resetB)):
        cur = np.zeros(2 + (J if lat else 0), np.int64); miss = np.zeros_like(cur)
        for t in range(TP + T):
            inc = np.concatenate([[n[r, t], e[r, t]], h[r, t] if lat else []]).astype(np.int64)
            up = 1 if ok is None else int(ok[r, t])
            if rs is not None and rs[r, t]: cur = np.zeros_like(cur)
            cur = cur + inc; miss = miss + inc
            if not up: rows.append([(t - TP) * DT, arm, 0] + [""] * len(cur)); continue
            v = cur if cumulative else miss
            miss = np.zeros_like(cur)
            rows.append([(t - TP) * DT, arm, 1] + [int(x) for x in v])
    rows.sort(key=lambda x: (x[0], x[1]))
    if form == "csv":
        with open(path, "w", newline="") as f:
            w = csv.writer(f); w.writerow(["t", "arm", "up", "total", "bad"] + ([f"h{j}" for j in range(J)] if lat else [])); w.writerows(rows)
    else:
        with open(path, "w") as f:
            for x in rows: f.write(json.dumps(dict(t=x[0], arm=x[1], up=x[2], total=x[3] if x[2] else None, bad=x[4] if x[2] else None, h=x[5:] if x[2] else None)) + "\n")


def read_traces(d):
    man = [json.loads(l) for l in open(os.path.join(d, "manifest.jsonl"))]
    for m in man:
        lat = bool(m["edges_ms"])
        n = {k: np.zeros((TP + T), np.int64) for k in ("nA", "nB", "eA", "eB")}
        h = {k: np.zeros((TP + T, J), np.int32) for k in ("hA", "hB")} if lat else None
        ok = {"A": np.ones(TP + T, bool), "B": np.ones(TP + T, bool)}
        prev = {"A": None, "B": None}
        path = os.path.join(d, m["file"])
        if m["file"].endswith(".csv"):
            it = csv.reader(open(path)); next(it)
            rows = ((int(x[0]), x[1], int(x[2]), x[3:]) for x in it)
        else:
            rows = ((o["t"], o["arm"], o["up"], ([o["total"], o["bad"]] + (o["h"] or [])) if o["up"] else []) for o in map(json.loads, open(path)))
        for t, arm, up, v in rows:
            i = t // DT + TP; k = "A" if arm == "baseline" else "B"
            if not up: ok[k][i] = False; continue
            v = np.array([int(x) for x in v], np.int64)
            if m["counters"] == "cumulative":
                pv = prev[k]; prev[k] = v
                if pv is not None: v = v - pv if v[0] >= pv[0] else v           # Prometheus rule, reset seen on `total`
                v = np.maximum(v, 0)
            n["n" + k][i], n["e" + k][i] = v[0], v[1]
            if lat: h["h" + k][i] = v[2:]
        yield m, n, h, ok


def batch_from(d):
    groups = {}
    for m, n, h, ok in read_traces(d):
        key = (json.dumps(m["weight"]), bool(m["edges_ms"]), m["slo"]["err_max"], m["warmup_declared"])
        groups.setdefault(key, []).append((m, n, h, ok))
    for (w, lat, em, wu), g in groups.items():
        w = json.loads(w)
        sc = Scenario("trace", weight=w if not isinstance(w, list) else w[0][1], steps=w if isinstance(w, list) else None, lat=lat, p=em / 2 if em > 0.01 else 0.005, warm=2.0 if wu else 1.0)
        b = Batch(sc, len(g))
        for k in ("nA", "nB", "eA", "eB"): setattr(b, k, np.stack([x[1][k] for x in g]))
        for k in ("hA", "hB"): setattr(b, k, np.stack([x[2][k] for x in g]) if lat else None)
        b.okA, b.okB = np.stack([x[3]["A"] for x in g]), np.stack([x[3]["B"] for x in g])
        if not (b.okA.all() and b.okB.all()): align(b)
        yield [x[0]["id"] for x in g], b


def cmd_judge(a):
    with open(a.out, "w") as f:
        for ids, b in batch_from(a.dir):
            for s in range(0, b.R, 100):
                sub = Batch(b.sc, min(100, b.R - s))
                for k in ("nA", "nB", "eA", "eB", "hA", "hB"): setattr(sub, k, getattr(b, k)[s:s + 100] if getattr(b, k) is not None else None)
                rb, pr = JUDGES[a.judge](sub, a.alpha)
                for i in range(sub.R):
                    ev = [(t, v) for t, v in ((rb[i], "rollback"), (pr[i], "promote")) if np.isfinite(t)] or [(float(DUR), "none")]
                    if ev[0][1] == "rollback" and len(ev) == 2 and ev[0][0] <= ev[1][0]: ev = ev[:1]     # no promotion after a rollback
                    for t, v in sorted(ev): f.write(json.dumps(dict(id=ids[s + i], verdict=v, t=float(t))) + "\n")
    print("wrote", a.out)


def load_truth(d):
    out = {}
    for l in open(os.path.join(d, "truth.jsonl")):
        x = json.loads(l); p = dict(x["params"])
        p["lat_effect"] = tuple(p["lat_effect"])
        x["sc"] = Scenario(**p); out[x["id"]] = x
    return out


def cmd_score(a):
    truth = load_truth(a.dir)
    expo = {}
    for m, n, h, ok in read_traces(a.dir): expo[m["id"]] = (np.cumsum(n["nB"][TP:]), np.cumsum(n["eB"][TP:]))
    files = [("submitted", a.verdicts)]
    tmp = []
    for ref in [x for x in (a.ref or "").split(",") if x]:
        fn = os.path.join(a.dir, f".ref_{ref}_{a.alpha}.jsonl")
        if not os.path.exists(fn): cmd_judge(argparse.Namespace(dir=a.dir, judge=ref, out=fn, alpha=a.alpha))
        files.append((ref, fn))
    rows = []; agg = {}
    for who, fn in files:
        V = {}
        for l in open(fn):
            if not l.strip(): continue
            x = json.loads(l)
            if x["verdict"] not in ("rollback", "promote", "none"): raise SystemExit(f"bad verdict {x}")
            if not (0 <= float(x["t"]) <= DUR + 60): raise SystemExit(f"bad time {x}")
            d = V.setdefault(x["id"], {})
            d[x["verdict"]] = min(d.get(x["verdict"], INF), float(x["t"]))
        unknown = set(V) - set(truth)
        if unknown: raise SystemExit(f"{who}: unknown ids, e.g. {sorted(unknown)[:3]}")
        if len(V) < len(truth): print(f"warning: {who}: {len(truth) - len(V)} traces without a verdict count as 'none'", file=sys.stderr)
        by = {}
        for sid, tr in truth.items(): by.setdefault(tr["scenario"], []).append((sid, V.get(sid, {}), tr))
        for name, L in by.items():
            rb = np.array([v.get("rollback", INF) for _, v, _ in L]); pr = np.array([v.get("promote", INF) for _, v, _ in L])
            o = int(L[0][2]["sc"].onset // DT)
            ii = [max(min(int(math.ceil((t if np.isfinite(t) else DUR) / DT)), T) - 1, o) for t in rb]
            cn, ce = [np.array([expo[s][k][i] - (expo[s][k][o - 1] if o else 0) for (s, _, _), i in zip(L, ii)]) for k in (0, 1)]
            rows.append(summarise(replace(L[0][2]["sc"], name=name), who, rb, pr, cn, ce))
    print_rows(sorted(rows, key=lambda r: (r["scenario"], r["judge"] != "submitted", r["judge"])))
    print("\nsummary over scenarios (ratios: geometric mean over 'harm' scenarios of judge / submitted; > 1 = submitted is faster / fails fewer requests)")
    print(f"{'judge':<12}{'false rollback':>16}{'worst scenario':>16}{'promoted (none)':>17}{'prom50 (none) s':>17}{'detected (harm)':>17}{'wrong promote':>15}{'worst':>8}{'time ratio':>12}{'failed ratio':>14}")
    base = {r["scenario"]: r for r in rows if r["judge"] == "submitted"}
    for who, _ in files:
        R = [r for r in rows if r["judge"] == who]
        h0 = [r for r in R if r["label"] == "none"]; h1 = [r for r in R if r["label"] == "harm"]
        m = lambda x: float(np.nanmean(x)) if len(x) and not np.all(np.isnan(x)) else float("nan")
        g = [r["tmean"] / max(base[r["scenario"]]["tmean"], 1) for r in h1]; gf = [(r["failmean"] + 1) / (base[r["scenario"]]["failmean"] + 1) for r in h1]
        print(f"{who:<12}{100*m([r['rollback'] for r in h0]):>15.2f}%{100*max([r['rollback'] for r in h0] or [0]):>15.2f}%{100*m([r['promote'] for r in h0]):>16.1f}%{m([r['pr50'] for r in h0]):>17.0f}"
              f"{100*m([r['detect'] for r in h1]):>16.1f}%{100*m([r['wrong_promote'] for r in h1]):>14.2f}%{100*max([r['wrong_promote'] for r in h1] or [0]):>7.1f}%{math.exp(m(np.log(g))):>12.2f}{math.exp(m(np.log(gf))):>14.2f}")
    if a.json: json.dump(rows, open(a.json, "w"))


# ------------------------------------------------------------------------------------------------
# test vectors
# ------------------------------------------------------------------------------------------------
def cmd_vectors(a):
    print("# 1. Lindon-Malek Dirichlet mixture: log BF = logB(k*rho+n) - logB(k*rho) - sum n_i log rho_i")
    for counts, rho, k in (((10, 0), (.5, .5), 2), ((60, 40), (.5, .5), 100), ((950, 70), (.95, .05), 100), ((0, 3), (.99, .01), 100), ((500, 300, 200), (.5, .3, .2), 100)):
        n, r = np.array(counts, float), np.array(rho); al = k * r
        v = gammaln(al + n).sum() - gammaln((al + n).sum()) - gammaln(al).sum() + gammaln(al.sum()) - (n * np.log(r)).sum()
        print(f"  counts={counts} rho={rho} k={k}  logBF={v:.12f}  p={min(1, math.exp(-v)):.12g}")
    print("  check: counts (10,0), uniform prior -> BF = 1024/11 =", 1024 / 11)
    print("# 2. time-uniform DKW radius f_n(alpha) = 0.85 sqrt((log log(en) + 0.8 log(1612/alpha))/n)")
    for n in (10, 100, 1000, 10000, 100000, 1000000): print(f"  n={n:<8} f(0.05)={float(f_dkw(n, .05)):.12f} f(0.025)={float(f_dkw(n, .025)):.12f}")
    print("# 3. sequential KS p-value: solve d = f_nA(p/2)+f_nB(p/2)")
    for d, na, nb in ((.1, 5000, 5000), (.05, 20000, 1000), (.2, 1000, 500)):
        lo, hi = math.log(1e-300), math.log(1e6)
        for _ in range(200):
            m = .5 * (lo + hi)
            if float(f_dkw(na, math.exp(m) / 2) + f_dkw(nb, math.exp(m) / 2)) > d: lo = m
            else: hi = m
        print(f"  d={d} nA={na} nB={nb}  p={min(1, math.exp(hi)):.12g}")
    print("# 4. conditional ('Poisson') e-value of one bucket: log e = b log(rho/r) - K log((1-q+q rho)/(1-q+q r))")
    for b_, K, q, rho, r in ((3, 10, .05, 2, 1), (0, 10, .05, 2, 1), (7, 20, .5, 1.5, 1), (2, 40, .05, 1, 1.5)):
        print(f"  b={b_} K={K} q={q} rho={rho} r={r}  log e={b_*math.log(rho/r)-K*math.log((1-q+q*rho)/(1-q+q*r)):.12f}")
    print("# 5. harm e-process, default grid, no robustification, buckets (b,K,q):")
    seq = [(2, 10, .05), (1, 12, .05), (3, 9, .04), (0, 8, .05), (4, 11, .06), (2, 9, .05), (3, 14, .05)]
    B = np.array([[s[0] for s in seq]], float); K = np.array([[s[1] for s in seq]], float); q = np.array([[s[2] for s in seq]], float)
    print("  seq=", seq); one = np.ones(B.shape[1])
    show = lambda x: [round(float(v), 10) for v in x[0]]
    print("  log E =", show(eprocess(B, K, q, one, PLAIN)))
    c2 = replace(PLAIN, v0=.5, hazard=1 / 120)
    print("  start mixture v0=.5, hazard=1/120: log E =", show(eprocess(B, K, q, one, c2)))
    c3 = replace(c2, inc_cap=2.0, burst=3.0)
    r0 = 1.1 * (1 + 2.0 * np.exp(-np.arange(B.shape[1]) * DT / 30.0))
    print("  counts x4, + inc_cap 2, burst 3 (khat=4), null 1.1 x warm-up 3x/30s: log E =", show(eprocess(B * 4, K * 4, q, r0, c3, None, np.full_like(B, 4.0))))
    print("# 6. NI e-process (margin 1.5, ni_from=0):", show(ni_process(np.array([[0., 1, 0, 0, 1]]), np.array([[20., 25, 19, 22, 30]]), np.full((1, 5), .05), np.array([[1.5]]), PLAIN, np.ones(1))))
    print("# 7. anytime Bernoulli bounds (beta=0.0125): (bad, good) -> upper, lower")
    for s, f in ((0, 3000), (3, 3000), (100, 9900), (10, 99990)):
        print(f"  ({s},{f}) U={float(ub_abs(np.array([s*1.]), np.array([f*1.]), 1.0, .0125)[0]):.9g}  L={float(lb_abs(np.array([s*1.]), np.array([f*1.]), 1.0, .0125)[0]):.9g}")
    t = np.arange(T); burst = np.where(t % 97 < 4, 6, 0)
    b = (t * 7) % 5 + burst + 0.0; k = (t * 7) % 5 + (t * 13) % 23 + burst + 0.0; q = 0.05 + 0.01 * (t % 3); phi = np.array([1.3])
    print("# 10. an hour of b = 7t mod 5 + burst, K = b + 13t mod 23, q = .05 + .01 (t mod 3), burst = 6 in the first 4 of 97 buckets")
    print("  dispersion of it as an A/A split:", repr(float(dispersion(b[None], k[None], q[None], FULL)[0])))
    rd = RunDisp(1, phi, 1.5); ph = []
    for i in range(T): rd.update(i, b[None, i], k[None, i], q[None, i]); ph.append(float(rd.phi[0]))
    E = eprocess(b[None], k[None], q[None], np.full(T, 1.1), FULL, phi, np.full((1, T), 12.0))
    c0 = replace(FULL, ni_from=0.0); N = ni_process(b[None], k[None], q[None], np.array([[1.5]]), c0, phi)
    N4 = ni_process(b[None] / 4, k[None], q[None], np.array([[1.4]]), c0, phi)
    for i in (5, 29, 119, 719): print(f"  bucket {i}, learned 1.3: phi {ph[i]!r} log E {float(E[0, i])!r} NI at 1.5 {float(N[0, i])!r}, of b/4 at 1.4 {float(N4[0, i])!r}")
    h = np.rint(1e6 * np.diff(np.concatenate([[0], lat_cdf(EDGES), [1]]))).astype(int)
    o = Batch(Scenario("v"), 1); o.hA = np.zeros((1, TP, J), int); o.hA[0, 0] = h; idx, s0 = thresholds(o); xe = EDGES[idx]; Sx = surv_at(o, xe)
    print("# 11. latency thresholds of a million requests:", h.tolist())
    print("  edges", idx[0].tolist(), "null ratio", np.maximum(surv_at(o, xe / 1.05) / Sx, 1)[0].tolist(), "warm x2", np.maximum(surv_at(o, xe / 2.1) / Sx, 1)[0].tolist())
    print("  margin", np.maximum(or_to_ratio(OR_LAT, s0[0]), 1 + D_LAT / s0[0]).tolist())
    print("# 8. Kayenta Mann-Whitney 'High' on fixed series")
    x = np.array([[.012, .011, .013, .015, .010, .014, .016, .012, .013, .017]]); y = np.array([[.010, .009, .011, .010, .008, .012, .009, .010, .011, .0095]])
    print("  high(x,y) =", bool(_mw_high(x, y)[0]), " high(y,x) =", bool(_mw_high(y, x)[0]))
    print("# 9. peeking Mann-Whitney A/A, 10000 obs per arm, look after every observation, two-sided 0.05 (Netflix blog: 66 of 100)")
    rng = np.random.default_rng(7); R = 2000
    # Hajek projection of U: z_n = sqrt(6/n) * sum (U_i - V_i)
    hit = np.zeros(R, bool); s = np.zeros(R)
    for n in range(1, 10001):
        s += rng.random(R) - rng.random(R)
        if n >= 5: hit |= np.abs(s) * math.sqrt(6 / n) > 1.959964
    print(f"  simulated share of A/A runs with p < 0.05 at some time: {hit.mean():.3f}")


def cmd_watch(a):
    """post-promotion watch: e-detector (Shiryaev-Roberts sum of e-processes, average run length >= A), CUSUM and a
    burn-rate-like threshold against a seasonal forecast of the old version's error rate; 5 s buckets."""
    rng = np.random.default_rng(a.seed)
    rps, R, days = 1000.0, 40, 7; N = int(days * 86400 // DT)
    A = 30 * 86400 / DT                                        # one false alarm in >= 30 days
    g = np.array(FULL.harm_grid); lg = np.log(g); lw = -math.log(len(g)); tol = 1.1
    tt = np.arange(N) * DT
    def sim(p, ratio, onset, fc_err, cl, phi):
        n = rps * DT * (1 + 0.5 * np.sin(2 * math.pi * tt / 86400)); pt = p * np.exp(0.3 * np.sin(2 * math.pi * tt / 86400 + 1))
        e = np.exp(ar1(rng, R, N // 720 + 1, fc_err, 3 * DT).repeat(720, 1)[:, :N] if fc_err else np.zeros((1, N)))  # hourly forecast error
        lam = n * pt * np.where(tt >= onset, ratio, 1)
        if cl > 1:
            c = rng.poisson(lam / cl, (R, N)); b = c + np.where(c > 0, rng.negative_binomial(np.maximum(c, 1), 1 / cl), 0)
        else: b = rng.poisson(lam, (R, N))
        base = n * pt * np.minimum(e, 2) * tol * np.ones((R, 1))
        M = np.full((R, len(g)), -INF); C = np.zeros(R); al = {k: np.full(R, INF) for k in ("e-detector", "cusum_x2", "threshold 5min 2x")}
        for t in range(N):
            inc = (b[:, t, None] * lg - base[:, t, None] * (g - 1)) / phi
            M = np.logaddexp(M, 0) + inc
            hit = lse(M + lw, 1) > math.log(A); al["e-detector"] = np.where(hit & np.isinf(al["e-detector"]), t * DT + DT, al["e-detector"])
            C = np.maximum(0, C + (b[:, t] * math.log(2) - base[:, t]) / phi)
            al["cusum_x2"] = np.where((C > math.log(A)) & np.isinf(al["cusum_x2"]), t * DT + DT, al["cusum_x2"])
            if t * DT > onset + 3600 and ratio > 1: break
        K = 60
        cs = lambda x: np.cumsum(x, 1)[:, K - 1:] - np.concatenate([np.zeros((R, 1)), np.cumsum(x, 1)[:, :-K]], 1)
        th = cs(b) > 2 * cs(base / tol)
        al["threshold 5min 2x"] = np.where(th.any(1), (np.argmax(th, 1) + K) * DT, INF)
        return al
    print(f"{'case':<44}{'e-detector':>22}{'cusum_x2':>22}{'threshold 5min 2x':>22}")
    for name, p, fc, cl, phi in (("p 1 %, exact forecast", .01, 0, 1, 1.0), ("p 1 %, forecast error 5 %/h", .01, .05, 1, 1.0), ("p 0.1 %", 1e-3, 0, 1, 1.0), ("p 1 %, clusters of 3, phi=1", .01, 0, 3, 1.0), ("p 1 %, clusters of 3, phi=5", .01, 0, 3, 5.0)):
        al = sim(p, 1.0, 0, fc, cl, phi)
        print(f"{name + ': false alarms / 30 days':<44}" + "".join(f"{(np.isfinite(v).sum() / np.minimum(v, N * DT).sum() * 30 * 86400):>22.2f}" for v in al.values()))
        for r in (1.5, 2.0, 5.0):
            al = sim(p, r, 36000, fc, cl, phi)
            print(f"{'   ratio ' + str(r) + ' after 10 h: median delay s':<44}" + "".join(f"{np.median(v[v >= 36000]) - 36000 if (v >= 36000).any() else INF:>22.0f}" for v in al.values()), flush=True)


def cmd_multi(a):
    """combine m error-type SLIs: average of e-values vs Bonferroni vs no correction (harm null 1.1, x2 / x1.3 effects)"""
    def one(R, m, ratios, seed, p=.01, rps=1000, w=.05):
        rng = np.random.default_rng([a.seed, seed])
        nA, nB = rng.poisson(rps * DT * (1 - w), (R, T)), rng.poisson(rps * DT * w, (R, T)); q = nB / (nA + nB); Es = []
        for i in range(m):
            eb, ea = rng.binomial(nB, p * ratios[i]), rng.binomial(nA, p)
            Es.append(eprocess(eb.astype(float), (ea + eb).astype(float), q, np.full(T, 1.1), replace(FULL, temper=False, burst=INF)))
        E = np.stack(Es, 0)
        return [first_true(x >= math.log(1 / a.alpha)) for x in (lse(E - math.log(m), 0), E.max(0) - math.log(m), E.max(0))]
    f = lambda t: 100 * np.isfinite(t).mean()
    print(f"{'m':>3} | false rollback, all ratios 1.1 (edge of the null): average / Bonferroni / uncorrected | one SLI x2, t50: same | all x1.3, t50: average / Bonferroni")
    for m in (1, 2, 5, 10, 20, 50):
        R = max(200, a.reps // m)
        h, x, y = one(R, m, [1.1] * m, 1), one(min(R, 400), m, [2.0] + [1.0] * (m - 1), 2), one(min(R, 400), m, [1.3] * m, 3)
        print(f"{m:>3} | {f(h[0]):5.2f}% {f(h[1]):5.2f}% {f(h[2]):5.2f}% | " + " ".join(f"{np.median(v):5.0f}" for v in x) + " | " + " ".join(f"{np.median(v):5.0f}" for v in y[:2]))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sp = ap.add_subparsers(dest="cmd", required=True)
    p = sp.add_parser("run"); p.add_argument("--suite", default="h0"); p.add_argument("--seed", type=int, default=1); p.add_argument("--reps", type=int, default=1000)
    p.add_argument("--jobs", type=int, default=os.cpu_count()); p.add_argument("--judges"); p.add_argument("--alpha", type=float, default=0.05); p.add_argument("--json"); p.add_argument("--only")
    p = sp.add_parser("equal"); p.add_argument("--suite", default="h0,h0noise,power1,onset,noisepow"); p.add_argument("--seed", type=int, default=1); p.add_argument("--reps", type=int, default=160); p.add_argument("--alpha", type=float, default=0.05)
    p = sp.add_parser("gen"); p.add_argument("--out", required=True); p.add_argument("--seed", type=int, default=1); p.add_argument("--per", type=int, default=20)
    p.add_argument("--suite", default="trace"); p.add_argument("--format", choices=("csv", "json"), default="csv"); p.add_argument("--cumulative", action="store_true"); p.add_argument("--jitter", action="store_true", help="randomise scenario parameters too")
    p = sp.add_parser("judge"); p.add_argument("--dir", required=True); p.add_argument("--judge", required=True, choices=sorted(JUDGES)); p.add_argument("--out", required=True); p.add_argument("--alpha", type=float, default=0.05)
    p = sp.add_parser("score"); p.add_argument("--dir", required=True); p.add_argument("--verdicts", required=True); p.add_argument("--ref", default="kayenta,flagger,argo,netflix,cqed"); p.add_argument("--alpha", type=float, default=0.05); p.add_argument("--json")
    p = sp.add_parser("multi"); p.add_argument("--seed", type=int, default=1); p.add_argument("--reps", type=int, default=2000); p.add_argument("--alpha", type=float, default=0.05)
    p = sp.add_parser("watch"); p.add_argument("--seed", type=int, default=1)
    sp.add_parser("vectors"); sp.add_parser("list")
    a = ap.parse_args()
    if a.cmd == "run":
        scs = [s for n in a.suite.split(",") for s in suites()[n]]
        if a.only: scs = [s for s in scs if any(o in s.name for o in a.only.split(","))]
        rows = run(scs, a.judges.split(",") if a.judges else None, a.seed, a.reps, a.alpha, a.jobs)
        print(f"# suite={a.suite} seed={a.seed} reps={a.reps} alpha={a.alpha}")
        print_rows(rows)
        if a.json: json.dump(rows, open(a.json, "w"))
    elif a.cmd == "equal": cmd_equal(a)
    elif a.cmd == "gen": cmd_gen(a)
    elif a.cmd == "judge": cmd_judge(a)
    elif a.cmd == "score": cmd_score(a)
    elif a.cmd == "multi": cmd_multi(a)
    elif a.cmd == "watch": cmd_watch(a)
    elif a.cmd == "vectors": cmd_vectors(a)
    else:
        for n, L in suites().items(): print(n + ":", ", ".join(f"{s.name}[{s.label()}]" for s in L))


if __name__ == "__main__":
    main()
