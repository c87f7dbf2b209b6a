// proto.mjs -- remote write 1.0, the little of it that the differential tests need: protobuf, and the plainest of snappy.

import { request } from 'node:http'

const STALE = Buffer.from('020000000000f07f', 'hex')

export function varint(n) {
  const bytes = []
  for (let v = BigInt.asUintN(64, BigInt(n)); ; v >>= 7n) {
    if (v < 128n) return Buffer.from([...bytes, Number(v)])
    bytes.push(Number(v & 127n) | 128)
  }
}

export const field = (number, bytes) => Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])

/** null is a stale marker. */
export function double(v) {
  if (v === null) return STALE
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(v)
  return bytes
}

const isHistogram = Buffer.isBuffer

function point(v, t) {
  if (isHistogram(v)) return field(4, Buffer.concat([v, varint((15 << 3) | 0), varint(t)]))
  return field(2, Buffer.concat([Buffer.from([0x09]), double(v), Buffer.from([0x10]), varint(t)]))
}

/** Runs of one kind, for a message's floats are read before its histograms. */
function runs(points) {
  const all = []
  for (const p of points) {
    if (!all.length || isHistogram(all.at(-1)[0].v) !== isHistogram(p.v)) all.push([])
    all.at(-1).push(p)
  }
  return all
}

/** A value is a number, null, a histogram's message, or undefined: a gap. */
function encode(all, firstMs, stepMs) {
  const parts = all.flatMap(({ labels, values }) => {
    const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))])))
    const points = values.map((v, i) => ({ v, t: firstMs + i * stepMs })).filter(({ v }) => v !== undefined)
    return runs(points).map(run => field(1, Buffer.concat([...pairs, ...run.map(({ v, t }) => point(v, t))])))
  })
  return Buffer.concat(parts)
}

/** Literals only: right, and no smaller than what went in. */
function snappy(bytes) {
  const parts = [varint(bytes.length)]
  for (let at = 0; at < bytes.length; at += 65536) {
    const piece = bytes.subarray(at, at + 65536)
    const head = Buffer.from([61 << 2, (piece.length - 1) & 255, (piece.length - 1) >> 8])
    parts.push(head, piece)
  }
  return Buffer.concat(parts)
}

/** [{ labels, values }]: value i is at firstMs + i * stepMs. */
export async function write(url, all, firstMs, stepMs) {
  const body = snappy(encode(all, firstMs, stepMs))
  const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy', 'x-prometheus-remote-write-version': '0.1.0', 'content-length': body.length }
  await new Promise((resolve, reject) => {
    const r = request(`${url}/api/v1/write`, { method: 'POST', headers }, answer => {
      let text = ''
      answer.on('data', data => (text += data))
      answer.on('end', () => (answer.statusCode === 204 ? resolve() : reject(new Error(`${url} answered ${answer.statusCode}: ${text}`))))
    })
    r.on('error', reject)
    r.end(body)
  })
}
