// data.mjs -- what both servers are given: two hours of counters that reset, gauges with gaps, a classic histogram and a
// series that ends with a stale marker.
//
// Samples lie 3.217 s behind the multiples of 15 s and questions are asked at whole seconds, so that no window opens or
// closes on a sample: Prometheus 3 (and cQED) leave out what 2.x takes in at the left end. Counters stay far above 0, where
// 2.42 extrapolates differently (prometheus/prometheus#13725).

export const STEP_MS = 15_000
export const SAMPLES = 480

/** A small generator of pseudo-random numbers with a seed (mulberry32): a run can be had again. */
export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function counter(next, resets) {
  let v = 1e6 + next() * 1e6
  return i => {
    v += Math.floor(next() * 50)
    if (resets && i % 170 === 169) v = 4e5 + Math.floor(next() * 1e5)
    return v
  }
}

function gauge(next, centre, spread) {
  let v = centre
  return () => (v += (next() - 0.5) * spread)
}

/** [{ labels, values }]; a value that is undefined is a gap, null a stale marker. */
export function series(seed) {
  const next = random(seed)
  const all = []
  const add = (labels, of, gap = () => false) =>
    all.push({ labels, values: Array.from({ length: SAMPLES }, (_, i) => (gap(i) ? (of(i), undefined) : of(i))) })
  for (const instance of ['a', 'b', 'c']) {
    for (const code of ['200', '404', '500'])
      add({ __name__: 'http_requests_total', job: 'shop', instance, code }, counter(next, code !== '404'),
        i => instance === 'b' && i > 200 && i < 240)
    for (const zone of ['eu', 'us'])
      add({ __name__: 'temperature', instance, zone }, gauge(next, 20, 3), i => zone === 'us' && i % 7 === 3)
    add({ __name__: 'memory_bytes', job: 'shop', instance }, gauge(next, 1e9, 1e8))
    add({ __name__: 'build_info', job: 'shop', instance, version: instance === 'c' ? 'v2' : 'v1' }, () => 1)
    const counts = ['0.1', '0.5', '2', '+Inf'].map(le => [le, counter(next, false)])
    let under = 0
    for (const [le, of] of counts) {
      const below = under
      add({ __name__: 'latency_seconds_bucket', job: 'shop', instance, le }, i => of(i) + below * 2e6)
      under += 1
    }
  }
  all[1].values[300] = null
  for (let i = 301; i < 360; i++) all[1].values[i] = undefined
  return all
}
