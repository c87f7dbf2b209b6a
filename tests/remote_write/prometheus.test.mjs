// A real Prometheus scrapes an exporter and remote-writes what it has into a real `cqed serve`, which is killed and
// made to fail on the way: in the end both hold the same samples. And what senders are told, by hand.
//
//     CQED=build/asan/cqed node --test tests/remote_write/

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { freePorts, Programs, sleep } from '../../demo/lib/programs.mjs'
import { binary } from '../e2e/setup.mjs'

const folder = join(dirname(binary), 'e2e', 'remote-write')
let programs, cqed, exporter

function assertSound() {
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
}

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'cqed.yaml'), 'storage: { path: data, flush: 100ms }\n')
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
})

after(async () => {
  exporter?.stop()
  await programs.endAll()
  assertSound()
})

// --- An exporter: counters, a histogram, a gauge of awkward values, and a series that goes away ---

class Exporter {
  scrapes = 0
  gone = false

  async start() {
    this.server = createServer((request, response) => {
      response.setHeader('Content-Type', 'text/plain; version=0.0.4')
      response.end(this.#text(++this.scrapes))
    })
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    return this.server.address().port
  }

  #text(n) {
    const lines = ['# HELP shop_orders_total Orders taken.', '# TYPE shop_orders_total counter']
    for (let i = 0; i < 200; i++)
      lines.push(`shop_orders_total{code="${i % 5 ? 200 : 500}",route="/r/${i}",note="a \\"b\\" ü"} ${n * (i + 1)}`)
    lines.push('# TYPE shop_latency_seconds histogram')
    for (const [i, le] of ['0.1', '0.5', '+Inf'].entries()) lines.push(`shop_latency_seconds_bucket{le="${le}"} ${n * (i + 1)}`)
    lines.push(`shop_latency_seconds_sum ${n * 0.3}`, `shop_latency_seconds_count ${n * 3}`)
    // Not -0, which Prometheus 2.42 sends as 0.
    const awkward = ['NaN', '+Inf', '-Inf', '0', '1e-300', '0.1', '123456789.123']
    lines.push('# TYPE shop_awkward gauge', `shop_awkward ${awkward[n % awkward.length]}`)
    if (!this.gone) lines.push('# TYPE shop_gone gauge', 'shop_gone 1')
    return lines.join('\n') + '\n'
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }
}

// --- Prometheus ---

async function startPrometheus(exporterPort) {
  const [port] = await freePorts(1)
  writeFileSync(join(folder, 'prometheus.yml'), `
global: { scrape_interval: 250ms, scrape_timeout: 200ms }
scrape_configs:
  - { job_name: shop, static_configs: [{ targets: ['127.0.0.1:${exporterPort}'] }] }
remote_write:
  - url: ${cqed.url}/api/v1/write
    queue_config: { min_shards: 2, max_samples_per_send: 500, batch_send_deadline: 100ms, min_backoff: 30ms, max_backoff: 200ms }
    metadata_config: { send: true, send_interval: 1s }
`)
  const url = `http://127.0.0.1:${port}`
  const program = programs.start('prometheus', 'prometheus', [
    '--config.file=prometheus.yml', '--storage.tsdb.path=prometheus-data', `--web.listen-address=127.0.0.1:${port}`,
  ])
  await programs.until('Prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok, { part: program })
  return { url, program }
}

async function ask(url, path, parameters) {
  const answer = await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()
  assert.equal(answer.status, 'success', JSON.stringify(answer))
  return answer.data.result
}

const keyed = result => Object.fromEntries(result
  .map(({ metric, values, value }) => [JSON.stringify(Object.entries(metric).sort()), values ?? value])
  .sort(([a], [b]) => (a < b ? -1 : 1)))

const everything = '{job="shop"}'

/** All of Prometheus's samples between two times, and which of them cQED does not have likewise. */
async function compareSamples(prometheus, from, to) {
  const query = { query: `${everything}[${Math.ceil((to - from) * 1000)}ms]`, time: to }
  const [theirs, ours] = (await Promise.all([ask(prometheus.url, 'query', query), ask(cqed.url, 'query', query)])).map(keyed)
  const other = Object.keys(theirs).filter(series => JSON.stringify(theirs[series]) !== JSON.stringify(ours[series]))
  const first = other[0] && { series: other[0], theirs: theirs[other[0]], ours: ours[other[0]] }
  assert.deepEqual(first, undefined, `${other.length} of ${Object.keys(theirs).length} series differ`)
  assert.deepEqual(Object.keys(ours), Object.keys(theirs))
  return Object.values(theirs).reduce((sum, values) => sum + values.length, 0)
}

async function caughtUp(prometheus, to) {
  await programs.until('cQED has what Prometheus has', async () => {
    const newest = await ask(cqed.url, 'query', { query: 'timestamp(up{job="shop"})', time: Date.now() / 1000 })
    return newest.length > 0 && Number(newest[0].value[1]) > to + 0.5
  }, { part: prometheus.program, timeoutMs: 20_000 })
}

test('Prometheus writes, cQED dies and fails, nothing is lost', { timeout: 55_000 }, async () => {
  exporter = new Exporter()
  await cqed.start()
  const prometheus = await startPrometheus(await exporter.start())
  const from = Date.now() / 1000
  await sleep(2000)
  for (let crash = 0; crash < 4; crash++) {
    await cqed.kill9()
    await sleep(300 + 200 * crash)
    cqed.env = crash % 2 ? {} : { CQED_FAULTS: 'wal.write:every=3:errno=ENOSPC' } // 503, and the sender comes again
    await cqed.start()
    await sleep(1500)
    exporter.gone = crash >= 1
  }
  const to = Date.now() / 1000
  await caughtUp(prometheus, to)

  const samples = await compareSamples(prometheus, from, to)
  assert.ok(samples > 200 * 8, `only ${samples} samples were compared`)
  for (const query of [everything, 'sum by (code) (shop_orders_total)', 'histogram_quantile(0.9, shop_latency_seconds_bucket)',
    'changes(shop_latency_seconds_sum[2s])', 'shop_gone']) {
    const range = { query, start: from.toFixed(3), end: to.toFixed(3), step: 0.5 }
    const [theirs, ours] = await Promise.all([ask(prometheus.url, 'query_range', range), ask(cqed.url, 'query_range', range)])
    assert.ok(theirs.length > 0, query)
    assert.deepEqual(keyed(ours), keyed(theirs), query)
  }
  // Stale markers came too: both look back 5 minutes, and neither finds it.
  for (const url of [prometheus.url, cqed.url]) assert.deepEqual(await ask(url, 'query', { query: 'shop_gone', time: to }), [])
  assert.deepEqual((await cqed.get('/api/v1/metadata?metric=shop_orders_total')).data,
    { shop_orders_total: [{ type: 'counter', help: 'Orders taken.', unit: '' }] })

  const metrics = await (await fetch(`${prometheus.url}/metrics`)).text()
  const total = name => [...metrics.matchAll(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'gm'))].reduce((sum, m) => sum + Number(m[1]), 0)
  const retried = total('prometheus_remote_storage_samples_retried_total')
  assert.ok(retried > 0, 'no request was repeated')
  console.log(`${samples} samples are the same; Prometheus sent ${total('prometheus_remote_storage_samples_total')}, repeated ${retried}`)
  await programs.end(prometheus.program)
  const life = cqed.program
  await cqed.stop()
  assert.deepEqual(life.exit, { code: 0, signal: null })
})

// --- What senders are told ---

const varint = n => (n < 0x80 ? [n] : [n % 0x80 + 0x80, ...varint(Math.floor(n / 0x80))])
const bytes = (field, content) => [field * 8 + 2, ...varint(content.length), ...content]
const text = (field, s) => bytes(field, [...Buffer.from(s)])
const double = (field, v) => {
  const b = Buffer.alloc(8)
  b.writeDoubleLE(v)
  return [field * 8 + 1, ...b]
}
const number = (field, n) => [field * 8, ...varint(n)]
const sample = (atMs, v) => bytes(2, [...double(1, v), ...number(2, atMs)])
const label = (name, value) => bytes(1, [...text(1, name), ...text(2, value)])
const series1 = (name, ...samples) => bytes(1, [...label('__name__', name), ...samples.flat()])
const request2 = (name, ...more) => [...['', '__name__', name].flatMap(s => text(4, s)), ...bytes(5, [...bytes(1, [1, 2]), ...more.flat()])]

/** Snappy's block format without compression: the length, then one literal (google/snappy, format_description.txt). */
const snappy = content => Buffer.from([...varint(content.length), 61 << 2, (content.length - 1) % 256, (content.length - 1) >> 8, ...content])

const v1 = 'application/x-protobuf', v2 = 'application/x-protobuf;proto=io.prometheus.write.v2.Request'

async function post(type, body, encoding = 'snappy') {
  const headers = { 'Content-Type': type, ...(encoding && { 'Content-Encoding': encoding }) }
  const response = await fetch(`${cqed.url}/api/v1/write`, { method: 'POST', headers, body })
  const written = ['Samples', 'Histograms', 'Exemplars'].map(what => response.headers.get(`X-Prometheus-Remote-Write-${what}-Written`))
  return { status: response.status, written, text: await response.text(), again: response.headers.get('Retry-After') }
}

test('each answer has the status that the specification gives it', async () => {
  await cqed.stop() // when the test before it left it
  cqed.env = {}
  await cqed.start()
  const now = Date.now()
  const none = [null, null, null]
  assert.deepEqual(await post(v1, snappy(series1('told', sample(now, 1)))), { status: 204, written: none, text: '', again: null })
  assert.deepEqual(await post(v1, snappy(series1('told', sample(now, 1))), null), { status: 204, written: none, text: '', again: null })
  assert.deepEqual(await post(v2, snappy(request2('told2', sample(now, 1), bytes(4, double(2, 1))))),
    { status: 204, written: ['1', '0', '1'], text: '', again: null })

  const old = await post(v2, snappy(request2('told2', sample(now - 1, 1), sample(now + 1, 2))))
  assert.deepEqual([old.status, old.written], [400, ['1', '0', '0']])
  assert.match(old.text, /^refused 1 of 2 samples \(out_of_order 1\); the rest is stored; first: series 1, told2: out_of_order: sample at \d+ ms/)
  const empty = await post(v2, snappy(request2('native', bytes(3, number(15, now)))))
  assert.deepEqual([empty.status, empty.written], [204, ['0', '1', '0']])
  const unsound = await post(v2, snappy(request2('native', bytes(3, number(1, 7)))))
  assert.deepEqual([unsound.status, unsound.written], [400, ['0', '0', '0']])
  assert.match(unsound.text, /its buckets do not add up to its count/)
  assert.equal((await cqed.query('told2', (now + 1) / 1000))[0].value, 2)

  assert.equal((await post(v1, snappy([0x0a, 0xff]))).status, 400)
  assert.equal((await post(v1, Buffer.from('no snappy'))).status, 400)
  assert.equal((await post(v1, Buffer.from([...varint(33 << 20), 0]))).status, 413)
  for (const [type, encoding] of [['application/json', 'snappy'], [`${v1};proto=io.prometheus.write.v3.Request`, 'snappy'],
    [v1, 'zstd'], [v2, 'br'], ['', 'snappy']]) {
    const body = encoding === 'zstd' ? Buffer.from('28b52ffd0000010000', 'hex') : snappy(series1('told', sample(now, 1)))
    assert.equal((await post(type, body, encoding)).status, 415, `${type}, ${encoding}`)
  }
  await cqed.stop()

  cqed.env = { CQED_FAULTS: 'wal.write:errno=ENOSPC' }
  await cqed.start()
  const full = await post(v2, snappy(request2('full', sample(now, 1))))
  assert.deepEqual([full.status, full.written, full.again], [503, ['0', '0', '0'], '1'])
  assert.match(full.text, /No space left/)
  await cqed.stop('SIGKILL')
})
