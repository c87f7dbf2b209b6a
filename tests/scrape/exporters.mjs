// exporters.mjs -- what is scraped: small servers on loopback whose pages the tests set, and the protobuf of
// io.prometheus.client.MetricFamily, put together by hand since no library for Node writes it.

import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'

/** Answers every path with what `page(path, headers)` gives: { status, type, body, encoding }. */
export class Exporter {
  requests = []

  constructor(page, tls) {
    this.page = page
    this.server = tls ? createSecureServer(tls, this.#answer) : createServer(this.#answer)
  }

  async start() {
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    this.address = `127.0.0.1:${this.server.address().port}`
    return this
  }

  #answer = async (request, response) => {
    this.requests.push({ path: request.url, headers: request.headers, socket: request.socket.remotePort })
    const { status = 200, type = 'text/plain; version=0.0.4', body = '', encoding } = await this.page(request.url, request.headers)
    response.statusCode = status
    if (type) response.setHeader('Content-Type', type)
    if (encoding) response.setHeader('Content-Encoding', encoding)
    response.end(body)
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }
}

// --- Protobuf ---

export const protobuf = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'
export const counter = 0, gauge = 1, histogram = 4

const varint = n => (n < 0x80 ? [n] : [n % 0x80 + 0x80, ...varint(Math.floor(n / 0x80))])
const zigzag = n => (n < 0 ? -2 * n - 1 : 2 * n)
export const number = (field, n) => [field * 8, ...varint(n)]
export const signed = (field, n) => number(field, zigzag(n))
export const message = (field, content) => [field * 8 + 2, ...varint(content.length), ...content]
export const text = (field, s) => message(field, [...Buffer.from(s)])
export const double = (field, v) => {
  const b = Buffer.alloc(8)
  b.writeDoubleLE(v)
  return [field * 8 + 1, ...b]
}
const time = (field, ms) => message(field, [...number(1, Math.floor(ms / 1000)), ...number(2, (ms % 1000) * 1e6)])
const labels = all => Object.entries(all).flatMap(([name, value]) => message(1, [...text(1, name), ...text(2, value)]))
const exemplar = (field, e) => message(field, [...labels(e.labels), ...double(2, e.value), ...time(3, e.atMs)])

/** One metric of a family: a number, or a native histogram { count, sum, schema, zero, spans, deltas, buckets, exemplar }. */
export function metric(type, labelled, value) {
  if (type !== histogram) return message(4, [...labels(labelled), ...message(type === counter ? 3 : 2, double(1, value))])
  const h = [...number(1, value.count), ...double(2, value.sum),
    ...value.buckets.flatMap(([le, n]) => message(3, [...number(1, n), ...double(2, le), ...(value.exemplar ? exemplar(3, value.exemplar) : [])])),
    ...signed(5, value.schema), ...double(6, 0.001), ...number(7, value.zero),
    ...value.spans.flatMap(([offset, length]) => message(12, [...signed(1, offset), ...number(2, length)])),
    ...message(13, value.deltas.flatMap(delta => varint(zigzag(delta))))]
  return message(4, [...labels(labelled), ...message(7, h)])
}

/** A family behind its length. */
export function family(name, type, ...metrics) {
  const content = [...text(1, name), ...text(2, `Help of ${name}.`), ...number(3, type), ...metrics.flat()]
  return [...varint(content.length), ...content]
}
