// generate3.mjs -- what generate.mjs asks and what only a Prometheus 3 knows: native histograms everywhere, experimental
// functions, edges of ranges, computed durations, filled gaps, `@`. Left out by name, beside what the last digit of a value or
// the order of equal values decides:
//   info() of a rate, which keeps the metric's name in Prometheus when names are removed late
//   rates of gauge histograms, and of those whose custom bounds change, inside histogram_count, _sum and _avg: Prometheus
//   looks at counts and sums alone there, finds other resets, and has nothing to say of the bounds
//   which series limitk takes; and the last digit of exponential buckets' bounds, which count_values shows

import { random, SAMPLES } from './data.mjs'
import { Generator } from './generate.mjs'
import { Observed } from './native.mjs'

const natives = ['lat', 'lat{instance="a"}', 'size', 'depth', 'share', 'mixed', '{__name__=~"lat|size"}']
const counted = ['lat', 'lat{instance="a"}', 'share', 'mixed']
const floats = ['starts_total', 'temperature', 'http_requests_total{code="500"}', 'gone']
const any = [...natives, ...floats]
const ranges = ['1m', '5m', '17m', '4m + 1m', '2 * 90s', '10m / 2', '5m % 4m', 'min_of(3m, 8m)', 'max_of(step(), 2m)', '300']

/** Histograms of each kind, one that is a float at times, counters that begin near 0, what ends, and what info joins. */
export function series3(seed) {
  const next = random(seed + 1)
  const all = []
  const add = (labels, of) => all.push({ labels, values: Array.from({ length: SAMPLES }, (_, i) => of(i)) })
  const kinds = { lat: 'exponential', size: 'custom', depth: 'gauge', share: 'float' }
  for (const [name, kind] of Object.entries(kinds)) {
    for (const instance of ['a', 'b']) {
      const observed = new Observed(kind, next, { negative: instance === 'b' && kind !== 'custom' })
      add({ __name__: name, job: 'shop', instance }, i => {
        const histogram = observed.step(i)
        return instance === 'b' && i % 50 > 45 ? undefined : histogram
      })
    }
  }
  const half = new Observed('exponential', next)
  add({ __name__: 'mixed', job: 'shop', instance: 'a' }, i => (Math.floor(i / 60) % 2 ? i : half.step(i)))
  let v = 0
  add({ __name__: 'starts_total', job: 'shop', instance: 'a' }, i => (v = i % 90 === 0 ? 0 : v + Math.floor(next() * 4)))
  add({ __name__: 'gone', job: 'shop', instance: 'a' }, i => (i % 100 < 60 ? i % 7 : i % 100 === 60 ? null : undefined))
  for (const instance of ['a', 'b', 'c'])
    add({ __name__: 'target_info', job: 'shop', instance, region: instance === 'a' ? 'eu' : 'us', tier: 'web' }, () => 1)
  return all
}

export class Generator3 extends Generator {
  at() {
    const r = this.int(12)
    return r === 0 ? ' @ start()' : r === 1 ? ' @ end()' : r === 2 ? ' offset (1m * 2)' : r === 3 ? ' offset -30s' : ''
  }

  any() {
    return this.of(any) + this.at()
  }

  anyRange(list = any) {
    return `${this.of(list)}[${this.of(ranges)}]${this.of(['', '', '', ' anchored', ' smoothed'])}${this.at()}`
  }

  plainRange(list = any) {
    return this.int(6) === 0 ? `(${this.of(list)})[${this.of(['10m', '5m'])}:${this.of(['', '1m', '30s'])}]${this.at()}`
      : `${this.of(list)}[${this.of(ranges)}]${this.at()}`
  }

  histogram(depth, list = natives) {
    switch (this.int(7)) {
      case 0: return this.of(list) + this.at()
      case 1: return `rate(${this.plainRange(list)})`
      case 2: return `${this.of(['increase', 'delta', 'irate', 'idelta'])}(${this.plainRange(list)})`
      case 3: return `${this.of(['sum', 'avg', 'last', 'first'])}_over_time(${this.plainRange(list)})`
      case 4: return `${this.of(['sum', 'avg'])}${this.of(['', ' by (instance)', ' without (instance)'])}(${depth > 0 ? this.histogram(depth - 1, list) : this.of(list)})`
      case 5: return `(${this.of(list)} ${this.of(['*', '/'])} ${this.of(['2', '-1', '0.5', '0', 'temperature{zone="eu"}'])})`
      default: return `(${this.of(list)} ${this.of(['+', '-', '==', '!=', '</', '>/', '>', '*'])} ${this.of([...list, '1', '0.7'])})`
    }
  }

  ofHistogram(depth) {
    const h = this.histogram(depth)
    switch (this.int(8)) {
      case 0: return `histogram_quantile(${this.of(['0.5', '0.99', '0', '1', '1.1', 'NaN'])}, ${h})`
      case 1: return `histogram_fraction(${this.of(['0', '0.3', '-Inf', '-1'])}, ${this.of(['1', '2.5', '+Inf'])}, ${h})`
      case 2: return `histogram_quantiles(${h}, "q", 0.5, ${this.of(['0.9', '1', '0.25'])})`
      case 3: return `histogram_${this.of(['stddev', 'stdvar'])}(${h})`
      default: return `histogram_${this.of(['count', 'sum', 'avg'])}(${this.histogram(depth, counted)})`
    }
  }

  rangeOfAny() {
    switch (this.int(6)) {
      case 0: return `${this.of(['rate', 'increase', 'delta', 'resets', 'changes'])}(${this.anyRange(floats)})`
      case 1: return `${this.of(['resets', 'changes', 'count_over_time', 'present_over_time', 'absent_over_time', 'last_over_time', 'first_over_time'])}(${this.plainRange()})`
      case 2: return `${this.of(['min', 'max', 'mad', 'stddev', 'sum', 'avg', 'ts_of_min', 'ts_of_max', 'ts_of_first', 'ts_of_last'])}_over_time(${this.plainRange()})`
      case 3: return `double_exponential_smoothing(${this.plainRange(['temperature', 'memory_bytes', 'mixed'])}, 0.5, 0.3)`
      case 4: return `quantile_over_time(${this.of(['0.5', '0.9', '-1'])}, ${this.plainRange()})`
      default: return `${this.of(['deriv', 'irate', 'idelta', 'rate'])}(${this.plainRange()})`
    }
  }

  extra(depth) {
    switch (this.int(11)) {
      case 0: return `info(${this.of(['http_requests_total', 'temperature', 'lat'])}${this.of(['', ', {region=~"e.*"}', ', {tier="web"}', ', {region!="eu", __name__="target_info"}'])})`
      case 1: return `count(limitk by (${this.of(['job', 'code'])}) (${this.of(['1', '2', '0', '-1'])}, ${this.of(['http_requests_total', 'temperature', 'lat'])}))`
      case 2: return `(http_requests_total{code="200"} ${this.of(['+', '-', '>', '*'])} on (instance) ${this.of(['fill(0)', 'fill_left(1)', 'fill_right(2)', 'fill_left(1) fill_right(3)'])} memory_bytes{instance!="c"})`
      case 3: return this.int(5) === 0 ? `count_values("v", ${this.of(['gone', 'build_info'])})`
        : `${this.of(['count', 'group', 'min', 'max', 'stddev'])}${this.of(['', ' by (instance)'])}(${this.any()})`
      case 4: return `(${this.any()} ${this.of(['and', 'or', 'unless'])} ${this.any()})`
      case 5: return `${this.of(['abs', 'ceil', 'sgn', 'timestamp', 'absent', 'exp'])}(${this.any()})`
      case 6: return `${this.of(['sort_by_label', 'sort_by_label_desc'])}(${this.of(['lat', 'temperature'])}, "instance")`
      case 7: return `label_replace(${this.any()}, "__name__", "${this.of(['x', '$1_y'])}", "__name__", "(.*)")`
      case 8: return `${this.of(['topk', 'bottomk'])}(${this.of(['1', '2'])}, ${this.of(['temperature', 'mixed', 'lat', '{__name__=~"lat|memory_bytes"}'])})`
      case 9: return `limit_ratio${this.of(['', ' by (job)'])} (${this.of(['0.5', '-0.3', '0.2', '-1', '0'])}, ${this.of(['http_requests_total', 'temperature', 'lat', 'rate(http_requests_total[5m])', 'sum by (job, instance) (http_requests_total)'])})`
      default: return `-${this.histogram(depth)}`
    }
  }

  vector(depth) {
    switch (this.int(depth > 0 ? 8 : 9)) {
      case 0: case 1: return this.histogram(depth)
      case 2: case 3: return this.ofHistogram(depth)
      case 4: case 5: return this.rangeOfAny()
      case 6: return this.extra(depth)
      case 7: return super.vector(depth)
      default: return this.any()
    }
  }
}
