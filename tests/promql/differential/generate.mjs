// generate.mjs -- random expressions that have a value: every operator, aggregation and function that Prometheus 2.42 and 3
// mean the same by. What they do not is left out by name:
//   holt_winters (its name), histograms and whatever came after 2.42, sort in ranges, atan2 of vectors (2.42 keeps the
//   metric's name), the deviation of NaN and Inf (0 in 2.42 when it is alone), and what the last digit of a value decides:
//   equal values in an order, and remainders.

const durations = ['2m', '5m', '17m', '40m']

const instants = [
  'http_requests_total', 'http_requests_total{code=~"5..|404"}', 'http_requests_total{instance!="b"}', 'temperature',
  'temperature{zone="eu"}', 'memory_bytes', 'build_info', '{__name__=~"temp.*",zone!~"u."}', 'latency_seconds_bucket',
]
const counters = ['http_requests_total', 'http_requests_total{code="500"}', 'latency_seconds_bucket', 'http_requests_total{instance=~"[ab]"}']
const overTime = ['avg', 'min', 'max', 'sum', 'count', 'stddev', 'stdvar', 'last', 'present']
const math = ['abs', 'ceil', 'floor', 'exp', 'ln', 'log2', 'log10', 'sqrt', 'sgn', 'deg', 'rad', 'sin', 'cos', 'atan', 'tanh']
const dates = ['minute', 'hour', 'day_of_week', 'day_of_month', 'day_of_year', 'days_in_month', 'month', 'year']
const groupings = ['instance', 'job', 'code', 'zone', 'instance, code', 'job, le', 'nothing']

export class Generator {
  constructor(next) {
    this.next = next
  }

  int(n) {
    return Math.floor(this.next() * n)
  }

  of(list) {
    return list[this.int(list.length)]
  }

  offset() {
    const r = this.int(8)
    return r === 0 ? ` offset ${this.of(durations)}` : r === 1 ? ' offset -1m' : ''
  }

  range(list, depth) {
    if (depth > 1 && this.int(5) === 0)
      return `(${this.vector(depth - 2)})[${this.of(['10m', '31m'])}:${this.of(['', '1m', '45s'])}]${this.offset()}`
    return `${this.of(list)}[${this.of(durations)}]${this.offset()}`
  }

  scalar(depth) {
    const r = depth > 0 ? this.int(6) : this.int(2)
    if (r < 2) return this.of(['0', '1', '-2.5', '100', '0x1f', '1e3', 'pi()'])
    if (r === 2) return `scalar(${this.of(['memory_bytes{instance="a"}', 'temperature{instance="a",zone="eu"}', 'temperature'])})`
    if (r === 3) return 'time()'
    return `(${this.scalar(depth - 1)} ${this.of(['+', '-', '*', '/', '^', 'atan2'])} ${this.scalar(depth - 1)})`
  }

  grouping() {
    return this.of(['', ` by (${this.of(groupings)})`, ` without (${this.of(groupings)})`])
  }

  aggregate(depth) {
    const op = this.of(['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar', 'quantile', 'topk', 'bottomk'])
    const inner = /^std/.test(op) ? this.of(instants) : this.vector(depth - 1)
    const parameter = op === 'quantile' ? `${this.of(['0.5', '0.9', '0', '1', '0.25'])}, ` : /k$/.test(op) ? `${this.of(['1', '2', '100'])}, ` : ''
    // Ties have no order of their own: rank what has none.
    const ranked = /k$/.test(op) ? this.of(['temperature', 'memory_bytes', 'deriv(memory_bytes[5m])']) : inner
    return `${op}${this.grouping()}(${parameter}${ranked})`
  }

  matching() {
    const r = this.int(4)
    return r === 0 ? ' on (instance)' : r === 1 ? ' ignoring (code, zone, le, version)' : r === 2 ? ' on (instance, code)' : ''
  }

  binary(depth) {
    const op = this.of(['+', '-', '*', '/', '^'])
    const comparison = this.of(['==', '!=', '>', '<', '>=', '<='])
    const left = this.vector(depth - 1)
    switch (this.int(8)) {
      case 7: return `(${this.of(instants)} % ${this.of(['7', '-2.5', '1e3', 'on (instance) group_left build_info'])})`
      case 0: return `(${left} ${op} ${this.scalar(depth - 1)})`
      case 1: return `(${this.scalar(depth - 1)} ${op} ${left})`
      case 2: return `(${left} ${comparison}${this.of(['', ' bool'])} ${this.scalar(depth - 1)})`
      case 3: return `(${left} ${op}${this.matching()} ${this.vector(depth - 1)})`
      case 4: return `(${left} ${this.of(['and', 'or', 'unless'])}${this.matching()} ${this.vector(depth - 1)})`
      case 5: return `(rate(http_requests_total[5m]) ${op} on (instance) group_left${this.of(['', ' (version)'])} build_info)`
      default: return `(sum by (instance) (${left}) ${op} sum by (instance) (${this.vector(depth - 1)}))`
    }
  }

  call(depth) {
    switch (this.int(14)) {
      case 0: return `${this.of(math)}(${this.vector(depth - 1)})`
      case 1: return `${this.of(overTime)}_over_time(${this.range([...instants, ...counters], depth)})`
      case 2: return `${this.of(['rate', 'increase', 'irate', 'resets'])}(${this.range(counters, 0)})`
      case 3: return `${this.of(['delta', 'idelta', 'deriv', 'changes'])}(${this.range(['temperature', 'memory_bytes'], 0)})`
      case 4: return `quantile_over_time(${this.of(['0.5', '0.99', '0'])}, ${this.range(['temperature', 'memory_bytes'], depth)})`
      case 5: return `predict_linear(${this.range(['temperature', 'memory_bytes'], 0)}, 600)`
      case 6: return `clamp${this.of(['_min', '_max'])}(${this.vector(depth - 1)}, ${this.scalar(0)})`
      case 7: return `round(${this.vector(depth - 1)}, ${this.of(['1', '0.5', '10'])})`
      case 8: return `histogram_quantile(${this.of(['0.5', '0.9', '0.99'])}, ${this.of(['', 'sum by (le, instance) '])}(rate(latency_seconds_bucket[${this.of(durations)}])))`
      case 9: return `label_replace(${this.vector(depth - 1)}, "${this.of(['instance', 'new', 'zone'])}", "${this.of(['x-$1', '$1$1', ''])}", "instance", "(.*)")`
      case 10: return `label_join(${this.vector(depth - 1)}, "joined", "-", "instance", "zone", "code")`
      case 11: return `${this.of(['absent', 'timestamp'])}(${this.of(['temperature', 'nothing{a="b"}', 'http_requests_total{code="404"}'])})`
      case 12: return `${this.of(dates)}(${this.of(['', 'temperature * 1e8', 'vector(time())'])})`
      default: return `vector(${this.scalar(depth)})`
    }
  }

  vector(depth) {
    if (depth <= 0) return this.of(instants) + this.offset()
    const r = this.int(10)
    return r < 4 ? this.call(depth) : r < 7 ? this.aggregate(depth) : r < 9 ? this.binary(depth) : `-${this.of(instants)}`
  }
}
