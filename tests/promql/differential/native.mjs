// native.mjs -- native histograms for the differential test against a Prometheus 3: what a service would observe, and how
// remote write 1.0 says it (prometheus/prompb/types.proto, message Histogram).

import { double, field, varint } from './proto.mjs'

const tag = (number, type) => varint((number << 3) | type)
const zigzag = n => varint(n >= 0 ? 2 * n : -2 * n - 1)
const number = (n, v) => Buffer.concat([tag(n, 0), varint(v)])
const signed = (n, v) => Buffer.concat([tag(n, 0), zigzag(v)])
const float = (n, v) => Buffer.concat([tag(n, 1), double(v)])

const SHAPES = { exponential: [2, 0, 1], custom: [-53], gauge: [1], float: [1] }
const GAUGE_HINT = 3

/**
 * Growing buckets; they begin anew at times, and what an exponential one calls a bucket changes once. All buckets are there
 * from the beginning: Prometheus gives all histograms of a chunk the buckets that any has, and what an empty bucket changes
 * would depend on where its chunks end.
 */
export class Observed {
  constructor(kind, next, { negative = false } = {}) {
    Object.assign(this, { kind, next, schema: SHAPES[kind][0], hasNegative: negative, sum: 0, zero: 0 })
    this.custom = kind === 'custom' ? [0.1, 0.5, 2, 10] : []
    this.clear()
  }

  clear() {
    const indexes = this.custom.length ? [0, 1, 2, 3, 4] : [-3, -2, -1, 0, 1, 4, 5, 15]
    this.positive = new Map(indexes.map(i => [i, 0]))
    this.negative = new Map(this.hasNegative ? [[0, 0], [1, 0], [3, 0]] : [])
    this.sum = this.zero = 0
  }

  int(n) {
    return Math.floor(this.next() * n)
  }

  /** One more scrape of it: the message of this moment. */
  step(i) {
    if (i % 130 === 129) this.clear()
    if (i === 260 && this.kind !== 'custom') {
      this.schema = SHAPES[this.kind].at(-1)
      this.clear()
    }
    if (i === 300 && this.kind === 'custom') {
      this.custom = [0.1, 0.5, 2, 20]
      this.clear()
    }
    const grow = this.kind === 'gauge' ? this.int(9) - 4 : this.int(5)
    const add = map => {
      const index = [...map.keys()][this.int(map.size)]
      map.set(index, Math.max(0, map.get(index) + grow + (this.kind === 'gauge' ? 1 : 0)))
    }
    add(this.positive)
    if (this.hasNegative && this.int(3) === 0) add(this.negative)
    if (!this.custom.length) this.zero += this.int(2)
    this.sum += grow * (1 + this.next())
    return this.encode()
  }

  /** Spans of neighbouring buckets; integers say differences, floats the counts. */
  side(map, spans, deltas, counts) {
    const indexes = [...map.keys()].sort((a, b) => a - b)
    const parts = []
    let end = 0, last = 0
    for (let at = 0; at < indexes.length;) {
      let length = 1
      while (at + length < indexes.length && indexes[at + length] === indexes[at] + length) length++
      parts.push(field(spans, Buffer.concat([signed(1, indexes[at] - end), number(2, length)])))
      end = indexes[at] + length
      at += length
    }
    const values = indexes.map(index => map.get(index))
    if (this.kind === 'float')
      parts.push(field(counts, Buffer.concat(values.map(v => double(v + 0.5)))))
    else
      parts.push(field(deltas, Buffer.concat(values.map(v => [zigzag(v - last), last = v][0]))))
    return indexes.length ? parts : []
  }

  encode() {
    const isFloat = this.kind === 'float'
    const total = [...this.positive.values(), ...this.negative.values()].reduce((a, v) => a + v + (isFloat ? 0.5 : 0), this.zero)
    return Buffer.concat([
      isFloat ? float(2, total) : number(1, total), float(3, this.sum), signed(4, this.schema),
      ...(this.custom.length ? [] : [float(5, 0.001), isFloat ? float(7, this.zero) : number(6, this.zero)]),
      ...this.side(this.negative, 8, 9, 10), ...this.side(this.positive, 11, 12, 13),
      ...(this.kind === 'gauge' ? [number(14, GAUGE_HINT)] : []),
      ...(this.custom.length ? [field(16, Buffer.concat(this.custom.map(double)))] : []),
    ])
  }
}
