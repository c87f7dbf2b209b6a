// remote_write.mjs -- one sample by Prometheus's remote write 1.0, without a library: to see when it can be queried.

function varint(n) {
  const bytes = []
  for (let v = BigInt(n); ; v >>= 7n) {
    if (v < 0x80n) return Buffer.from([...bytes, Number(v)])
    bytes.push(Number(v & 0x7fn) | 0x80)
  }
}

const field = (number, bytes) => Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])
const text = (number, string) => field(number, Buffer.from(string))

/** Snappy's block format as one literal: nothing is compressed, any decoder reads it. */
function snappy(bytes) {
  const head = Buffer.alloc(3)
  head[0] = 61 << 2 // a literal whose length, less one, follows in two bytes
  head.writeUInt16LE(bytes.length - 1, 1)
  return Buffer.concat([varint(bytes.length), head, bytes])
}

/** Labels sorted by name, `__name__` among them. */
export async function writeSample(url, labels, timeMs, value) {
  const sample = Buffer.alloc(9)
  sample[0] = (1 << 3) | 1
  sample.writeDoubleLE(value, 1)
  const series = Buffer.concat([
    ...Object.entries(labels).map(([name, v]) => field(1, Buffer.concat([text(1, name), text(2, v)]))),
    field(2, Buffer.concat([sample, varint(2 << 3), varint(timeMs)])),
  ])
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: snappy(field(1, series)),
  })
  const said = await answer.text()
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${said.slice(0, 200)}`)
}
