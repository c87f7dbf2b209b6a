// remote_write.mjs -- remote write 1.0 by hand: protobuf, and snappy's block format of literals only.

const varint = n => {
  const out = []
  for (; n >= 128; n = Math.floor(n / 128)) out.push((n % 128) + 128)
  return [...out, n]
}
const zigzag = n => varint(n < 0 ? -2 * n - 1 : 2 * n)
const bytes = (field, content) => Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(content.length)]), content])
const double = (field, v) => {
  const b = Buffer.alloc(8)
  b.writeDoubleLE(v)
  return Buffer.concat([Buffer.from(varint(field * 8 + 1)), b])
}
const number = (field, n) => Buffer.from([...varint(field * 8), ...varint(n)])
const signed = (field, n) => Buffer.from([...varint(field * 8), ...zigzag(n)])
const text = (field, s) => bytes(field, Buffer.from(s))
const doubles = (field, v) => bytes(field, Buffer.concat(v.map(x => double(0, x).subarray(1))))

export const sample = (atMs, v) => bytes(2, Buffer.concat([double(1, v), number(2, atMs)]))
/** A sample that says that its series ends; JavaScript's NaN would lose the bits. */
export function stale(atMs) {
  const made = sample(atMs, 0)
  Buffer.from([2, 0, 0, 0, 0, 0, 0xf0, 0x7f]).copy(made, 3)
  return made
}
/** A native histogram of float counts, schema 2: the buckets 0, 1 and 3. */
export const histogram = (atMs, n) => bytes(4, Buffer.concat([double(2, 7 * n), double(3, 12.5 * n), signed(4, 2), double(5, 2 ** -128),
  double(7, n), bytes(11, Buffer.concat([signed(1, 0), number(2, 2)])), bytes(11, Buffer.concat([signed(1, 1), number(2, 1)])),
  doubles(13, [n, 2 * n, 3 * n]), number(15, atMs)]))
export const series = (labels, points) => bytes(1, Buffer.concat([
  ...Object.entries(labels).sort().map(([name, value]) => bytes(1, Buffer.concat([text(1, name), text(2, value)]))), ...points]))

export function snappy(content) {
  const parts = [Buffer.from(varint(content.length))]
  for (let at = 0; at < content.length; at += 60_000) {
    const part = content.subarray(at, at + 60_000)
    parts.push(Buffer.from([61 << 2, (part.length - 1) % 256, (part.length - 1) >> 8]), part)
  }
  return Buffer.concat(parts)
}

/** A native histogram of integer counts, schema 0: the buckets -1, 0 and 2. */
export const integerHistogram = (atMs, n) => bytes(4, Buffer.concat([number(1, 7 * n), double(3, 12.5 * n), signed(4, 0), double(5, 2 ** -128),
  number(6, n), bytes(11, Buffer.concat([signed(1, -1), number(2, 2)])), bytes(11, Buffer.concat([signed(1, 1), number(2, 1)])),
  bytes(12, Buffer.from([...zigzag(n), ...zigzag(n), ...zigzag(n)])), number(15, atMs)]))

/** Send it; whoever it is must take it. */
export async function push(url, request) {
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST', headers: { 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy' }, body: snappy(request) })
  if (response.status !== 204) throw new Error(`remote write answers ${response.status}: ${await response.text()}`)
}
