// The scraper against real clients (prom-client, Debian's node_exporter and Prometheus's own page), and beside Debian's
// Prometheus, which scrapes the same: both must hold the same series.
//
//     CQED=build/asan/cqed node --test tests/scrape/

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { freePorts, Programs, sleep } from '../../demo/lib/programs.mjs'
import { binary, root } from '../e2e/setup.mjs'
import { counter, Exporter, family, gauge, histogram, metric, protobuf } from './exporters.mjs'

const prom = createRequire(join(root, 'demo/package.json'))('prom-client')
const folder = join(dirname(binary), 'e2e', 'scrape')
const exporters = []
let programs, cqed, prometheus

async function expose(page, tls) {
  const exporter = await new Exporter(page, tls).start()
  exporters.push(exporter)
  return exporter
}

async function ask(url, path, parameters) {
  const answer = await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()
  assert.equal(answer.status, 'success', JSON.stringify(answer))
  return answer.data
}

/** An instant query as { labels: value or histogram }, the same for both. */
async function vector(url, query) {
  const { result } = await ask(url, 'query', { query })
  const entries = result.map(({ metric: labels, value, histogram: h }) =>
    [JSON.stringify(Object.entries(labels).sort()), value ? value[1] : h[1]])
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const values = async query => Object.values(await vector(cqed.url, query)).map(Number)
const until = (what, probe) => programs.until(what, probe, { part: cqed.program, timeoutMs: 15_000 })
const targetsOf = async job => (await ask(cqed.url, 'targets')).activeTargets.filter(t => t.scrapePool === job)
const isUp = job => until(`${job} is up`, async () => {
  if ((await values(`min(up{job="${job}"})`))[0] === 1) return true
  throw new Error(JSON.stringify((await targetsOf(job)).map(t => t.lastError)))
})

const settings = []

/** cQED with these scrape configs, reloaded when it runs already. */
async function scrape(...configs) {
  settings.push(...configs)
  writeFileSync(join(folder, 'cqed.yaml'), JSON.stringify({
    storage: { path: 'data' },
    global: { scrape_interval: '250ms', scrape_timeout: '250ms' },
    scrape_configs: settings,
  }))
  if (!cqed.program) return cqed.start()
  const answer = await fetch(`${cqed.url}/-/reload`, { method: 'POST' })
  assert.equal(answer.status, 200, await answer.text())
}

const at = (...exportersOrAddresses) => [{ targets: exportersOrAddresses.map(e => e.address ?? e) }]

before(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
})

after(async () => {
  for (const exporter of exporters) exporter.stop()
  await programs.endAll()
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
})

test('prom-client, as text and as OpenMetrics with exemplars', async () => {
  const plain = new prom.Registry(), open = new prom.Registry(prom.openMetricsContentType)
  for (const registry of [plain, open]) {
    registry.setContentType(registry === plain ? prom.prometheusContentType : prom.openMetricsContentType)
    const enableExemplars = registry === open
    const requests = new prom.Counter({ name: 'shop_requests_total', help: 'Requests.', labelNames: ['code'], registers: [registry], enableExemplars })
    const seconds = new prom.Histogram({ name: 'shop_seconds', help: 'Seconds.', buckets: [0.1, 1], registers: [registry], enableExemplars })
    if (enableExemplars) {
      requests.inc({ labels: { code: '200' }, value: 3, exemplarLabels: { trace_id: 'abc' } })
      seconds.observe({ value: 0.5, exemplarLabels: { trace_id: 'def' } })
    } else {
      requests.inc({ code: '200' }, 3)
      seconds.observe(0.5)
    }
  }
  const exporter = await expose(async path => {
    const registry = path === '/open' ? open : plain
    return { type: registry.contentType, body: await registry.metrics() }
  })
  await scrape({ job_name: 'plain', static_configs: at(exporter) }, { job_name: 'open', metrics_path: '/open', static_configs: at(exporter) })
  for (const job of ['plain', 'open']) {
    await isUp(job)
    assert.deepEqual(await values(`shop_requests_total{job="${job}",code="200"}`), [3])
    assert.deepEqual(await values(`shop_seconds_bucket{job="${job}",le=~"1|1.0"}`), [1])
    const { code, out } = await cqed.cli(['check', 'metrics', `http://${exporter.address}/${job}`])
    assert.equal(code, 0, out)
  }
  const sockets = new Set(exporter.requests.filter(r => r.headers['user-agent'].startsWith('cqed') && r.path === '/open').map(r => r.socket))
  assert.ok(sockets.size <= 3, `${sockets.size} connections`)
  const found = await ask(cqed.url, 'query_exemplars', { query: '{job="open"}', start: Date.now() / 1000 - 60, end: Date.now() / 1000 + 1 })
  assert.deepEqual(found.map(s => [s.seriesLabels.__name__, s.exemplars.map(e => [e.labels.trace_id, Number(e.value)])]).sort(),
    [['shop_requests_total', [['abc', 3]]], ['shop_seconds_bucket', [['def', 0.5]]]])
})

test("node_exporter, and Prometheus's own page as text and as protobuf", async () => {
  const [nodePort, prometheusPort] = await freePorts(2)
  const node = programs.start('node-exporter', 'prometheus-node-exporter', [`--web.listen-address=127.0.0.1:${nodePort}`])
  prometheus = { url: `http://127.0.0.1:${prometheusPort}`, file: join(folder, 'prometheus.yml'), configs: [] }
  writeFileSync(prometheus.file, 'scrape_configs: []\n')
  prometheus.program = programs.start('prometheus', 'prometheus', ['--config.file=prometheus.yml', '--storage.tsdb.path=prometheus-data',
    `--web.listen-address=127.0.0.1:${prometheusPort}`, '--web.enable-lifecycle', '--enable-feature=native-histograms,exemplar-storage'])
  await programs.until('Prometheus is ready', async () => (await fetch(`${prometheus.url}/-/ready`)).ok, { part: prometheus.program })
  await programs.until('node_exporter is there', async () => (await fetch(`http://127.0.0.1:${nodePort}/metrics`)).ok, { part: node })

  const self = at(`127.0.0.1:${prometheusPort}`), slowly = { scrape_interval: '2s', scrape_timeout: '2s' }
  await scrape({ ...slowly, job_name: 'node', static_configs: at(`127.0.0.1:${nodePort}`) },
    { ...slowly, job_name: 'text', scrape_protocols: ['PrometheusText0.0.4'], static_configs: self },
    { ...slowly, job_name: 'proto', scrape_protocols: ['PrometheusProto'], static_configs: self })
  for (const job of ['node', 'text', 'proto']) await isUp(job)
  assert.ok((await values('count({job="node"})'))[0] > 300)
  assert.ok((await values('node_cpu_seconds_total{mode="user",cpu="0"}'))[0] > 0)

  // The same series but for le and quantile, which protobuf has as numbers; and what did not move is the same.
  const number = text => Number(text.replace('Inf', 'Infinity'))
  const series = async job => Object.fromEntries(Object.entries(await vector(cqed.url, `{job="${job}",__name__!~"up|scrape_.*"}`))
    .map(([labels, value]) => [JSON.stringify(JSON.parse(labels).filter(([name]) => name !== 'job')
      .map(([name, text]) => [name, name === 'le' || name === 'quantile' ? number(text) : text])), value]))
  let asText, asProto
  await until('both have the same series', async () => { // some begin with the first scrape
    ;[asText, asProto] = [await series('text'), await series('proto')]
    const missing = Object.keys(asText).filter(s => !(s in asProto))
    if (missing.length > 0) throw new Error(`protobuf lacks ${missing.slice(0, 3).join(' ')}`)
    return true
  })
  assert.ok(Object.keys(asText).length > 250, `${Object.keys(asText).length} series`)
  const calm = Object.keys(asText).filter(s => /prometheus_(build_info|config|tsdb_.*_size|target_.*_limit)|go_info/.test(s) && asText[s] === asProto[s])
  assert.ok(calm.length >= 5, `only ${calm.length} are the same`)
  assert.equal((await targetsOf('proto'))[0].lastError, '')
  await programs.end(node)
})

/** Prometheus with these scrape configs. */
async function tellPrometheus(more = {}, ...configs) {
  writeFileSync(prometheus.file, JSON.stringify({ global: { scrape_interval: '250ms', scrape_timeout: '250ms' }, scrape_configs: configs, ...more }))
  const answer = await fetch(`${prometheus.url}/-/reload`, { method: 'POST' })
  assert.equal(answer.status, 200, await answer.text())
}

test('beside Prometheus: vanished series, failures, removed targets, relabeling, limits', async () => {
  let page = { body: '' }
  const exporter = await expose(() => page)
  writeFileSync(join(folder, 'both.json'), JSON.stringify(at(exporter)))
  const config = {
    job_name: 'both',
    honor_labels: true,
    sample_limit: 6,
    file_sd_configs: [{ files: ['both.json'], refresh_interval: '300ms' }],
    relabel_configs: [{ source_labels: ['__address__'], regex: '(.*):.*', target_label: 'host' }],
    metric_relabel_configs: [{ source_labels: ['__name__'], regex: 'dropped', action: 'drop' }],
  }
  const twin = { ...config, job_name: 'twin', honor_labels: false }
  await scrape(config, twin)
  await tellPrometheus({}, config, twin)
  const all = '{job=~"both|twin|theirs|exported.*",__name__!~"scrape_duration_seconds|scrape_series_added"}'
  const phase = async (what, next, probe) => {
    page = next
    let ours, theirs
    await until(`${what}: both are there`, async () => {
      ;[ours, theirs] = await Promise.all([cqed, prometheus].map(p => vector(p.url, all)))
      return probe(ours) && probe(theirs)
    })
    // Prometheus 2.42 forgets to end what a scrape over the limit had.
    const compared = v => Object.fromEntries(Object.entries(v).filter(([labels]) => what !== 'too many' || /"(up|scrape_)/.test(labels)))
    assert.deepEqual(compared(ours), compared(theirs), what)
  }
  const ups = v => Object.entries(v).filter(([labels]) => labels.includes('"up"')).map(([, value]) => value)
  const has = (name, n) => v => Object.keys(v).filter(labels => labels.includes(`"${name}"`)).length === n
  const full = 'a{x="1",job="theirs"} 1\nb 2\nb{instance=""} 3\ndropped 4\nc{exported_job="e"} 5\n'
  await phase('full', { body: full }, has('b', 3))
  await phase('one is gone', { body: full.replace('b 2\n', '').replace('b{instance=""} 3\n', '') }, has('b', 0))
  await phase('it is back', { body: full }, has('b', 3))
  await phase('too many', { body: full + 'd 1\ne 1\nf 1\ng 1\n' }, v => ups(v).length === 2 && ups(v).every(up => up === '0'))
  await phase('full again', { body: full }, v => ups(v).every(up => up === '1') && has('b', 3)(v))
  await phase('it fails', { status: 500 }, v => ups(v).every(up => up === '0') && has('b', 0)(v))
  await phase('broken text', { body: 'a 1\nb{ 2\n' }, v => ups(v).every(up => up === '0'))
  await phase('a time of its own', { body: `a 1\nt 5 ${Date.now() - 1000}\n` }, has('t', 2))
  writeFileSync(join(folder, 'both.json'), '[]')
  await phase('the target is gone', { body: full }, v => Object.keys(v).every(labels => labels.includes('"t"')))
})

const native = count => ({ count, sum: count * 1.5, schema: 2, zero: 1, spans: [[-1, 2], [3, 1]], deltas: [1, 1, count - 6],
  buckets: [[0.5, 2], [2, count]], exemplar: { labels: { trace_id: 'abc' }, value: 0.25, atMs: 1700000000000 } })

test('native histograms, scraped and remote-written by Prometheus', async () => {
  let count = 10
  const exporter = await expose(path => ({ type: protobuf, body: Buffer.from([
    ...family('shop_native', histogram, metric(histogram, { route: '/a' }, native(count)), metric(histogram, { route: '/b' }, native(7))),
    ...family('shop_gauge', gauge, metric(gauge, {}, -count)),
    // Names that Prometheus 2.42 does not know yet.
    ...(path === '/utf8' ? family('shop.total', counter, metric(counter, { 'a.b': 'ü' }, 3)) : [])]) }))
  const config = { job_name: 'native', static_configs: at(exporter) }
  await scrape({ ...config, scrape_native_histograms: true, always_scrape_classic_histograms: true },
    { ...config, job_name: 'utf8', metrics_path: '/utf8', scrape_protocols: ['PrometheusProto'] })
  await tellPrometheus({
    global: { scrape_interval: '250ms', scrape_timeout: '250ms', external_labels: { by: 'prometheus' } },
    remote_write: [{ url: `${cqed.url}/api/v1/write`, send_native_histograms: true, queue_config: { batch_send_deadline: '100ms' } }],
  }, config)
  await isUp('native')
  for (count of [10, 25]) {
    await until(`${count} came both ways`, async () =>
      (await values('histogram_count(shop_native{job="native",route="/a"})')).filter(n => n === count).length === 2)
    const scraped = await vector(cqed.url, 'shop_native{job="native",by=""}')
    const written = await vector(cqed.url, 'sum without (by) (shop_native{by="prometheus"})')
    const theirs = await vector(prometheus.url, 'shop_native')
    // Bounds that are roots of 2 differ in the last bit: Prometheus has them in a table.
    const near = v => JSON.parse(JSON.stringify(v).replace(/\d+\.\d{13,}/g, n => String(Number(n).toPrecision(12))))
    assert.equal(Object.keys(scraped).length, 2)
    assert.deepEqual(near(scraped), near(theirs))
    const unnamed = v => Object.values(near(v)).map(h => JSON.stringify(h)).sort()
    assert.deepEqual(unnamed(written), unnamed(theirs))
  }
  assert.deepEqual(await values('shop_native_bucket{job="native",route="/b",le="+Inf",by=""}'), [7])
  assert.deepEqual(await values('{"shop.total","a.b"="ü",job="utf8"}'), [3])
  assert.ok(exporter.requests.some(r => r.headers['user-agent'].startsWith('cqed') && r.headers.accept.startsWith('application/vnd.google.protobuf')))
})

test('TLS with a client certificate and another name, passwords from files, gzip and zstd', async () => {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca')
  for (const name of ['shop.internal', 'scraper']) {
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=DNS:${name}\n`)
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-out', `${name}.pem`, '-extfile', `${name}.ext`)
  }
  const read = name => readFileSync(join(folder, name))
  const exporter = await expose(
    (path, headers) => (headers.authorization === `Basic ${Buffer.from('ann:secret').toString('base64')}` ? { body: 'a 1\n' } : { status: 401 }),
    { key: read('shop.internal.key'), cert: read('shop.internal.pem'), ca: read('ca.pem'), requestCert: true, rejectUnauthorized: true })
  const page = Array.from({ length: 100 }, (_, i) => `packed{i="${i}"} ${i}\n`).join('')
  writeFileSync(join(folder, 'page'), page)
  execFileSync('zstd', ['-q', '-f', 'page', '-o', 'page.zst'], { cwd: folder })
  const packed = await expose(path => (path === '/zstd' ? { body: read('page.zst'), encoding: 'zstd' } : { body: gzipSync(page), encoding: 'gzip' }))
  writeFileSync(join(folder, 'password'), 'secret\n')
  const secure = { scrape_interval: '1s', scrape_timeout: '1s', scheme: 'https', static_configs: at(exporter), basic_auth: { username: 'ann', password_file: 'password' } }
  const tls = { ca_file: 'ca.pem', cert_file: 'scraper.pem', key_file: 'scraper.key', server_name: 'shop.internal' }
  await scrape({ ...secure, job_name: 'secure', tls_config: tls }, { ...secure, job_name: 'other-name', tls_config: { ...tls, server_name: 'x.internal' } },
    { ...secure, job_name: 'nobody', tls_config: { ca_file: 'ca.pem', server_name: 'shop.internal' } },
    ...['gzip', 'zstd'].map(how => ({ job_name: how, metrics_path: `/${how}`, static_configs: at(packed) })))
  for (const job of ['secure', 'gzip', 'zstd']) await isUp(job)
  assert.deepEqual(await values('sum by (job) (packed)'), [4950, 4950])
  for (const job of ['other-name', 'nobody']) {
    const error = await until(`${job} fails`, async () => (await targetsOf(job))[0].lastError)
    if (job === 'other-name') assert.match(error, /x\.internal|name/) // without a certificate the connection only ends
    assert.deepEqual(await values(`up{job="${job}"}`), [0])
  }
  assert.equal(exporter.requests.at(-1).headers.host, exporter.address)
  writeFileSync(join(folder, 'password'), 'other')
  await until('the new password is used', async () => /HTTP 401/.test((await targetsOf('secure'))[0].lastError))
})

/** A fake DNS server that knows SRV records of one name. */
async function fakeDns(name, records) {
  const socket = createSocket('udp4')
  const u16 = n => [n >> 8, n & 255], labels = s => [...s.split('.').flatMap(l => [l.length, ...Buffer.from(l)]), 0]
  socket.on('message', (question, peer) => {
    const asked = question.subarray(12, 12 + labels(name).length).equals(Buffer.from(labels(name)))
    const answers = records.map(([target, port]) => {
      const data = [...u16(0), ...u16(0), ...u16(port), ...labels(target)]
      return [0xc0, 12, ...u16(33), ...u16(1), 0, 0, 0, 9, ...u16(data.length), ...data]
    })
    const end = 12 + question.subarray(12).indexOf(0) + 5
    socket.send(Buffer.from([...question.subarray(0, 2), 0x81, asked ? 0x80 : 0x83, ...u16(1), ...u16(asked ? answers.length : 0), 0, 0, 0, 0,
      ...question.subarray(12, end), ...(asked ? answers.flat() : [])]), peer.port, peer.address)
  })
  await new Promise(resolve => socket.bind(0, '127.0.0.1', resolve))
  return socket
}

test('targets by HTTP and DNS, and what relabeling drops', async () => {
  const exporter = await expose(() => ({ body: 'found 1\n' }))
  const port = Number(exporter.address.split(':')[1])
  let answer = { type: 'application/json', body: JSON.stringify([{ targets: [exporter.address, 'elsewhere:1'], labels: { zone: 'z' } }]) }
  const discovery = await expose(() => answer)
  const dns = await fakeDns('_metrics._tcp.shop.test', [['localhost', port]])
  await scrape({ job_name: 'by-http', http_sd_configs: [{ url: `http://${discovery.address}/targets`, refresh_interval: '200ms' }],
    relabel_configs: [{ source_labels: ['__address__'], regex: 'elsewhere.*', action: 'drop' }, { source_labels: ['__meta_url'], target_label: 'url' }] },
  { job_name: 'by-dns', dns_sd_configs: [{ names: ['_metrics._tcp.shop.test.'], resolver: `127.0.0.1:${dns.address().port}` }] })
  await isUp('by-http')
  await isUp('by-dns')
  const [target] = await targetsOf('by-http')
  assert.deepEqual(target.labels, { instance: exporter.address, job: 'by-http', url: `http://${discovery.address}/targets`, zone: 'z' })
  assert.equal(target.discoveredLabels.__address__, exporter.address)
  const { droppedTargets } = await ask(cqed.url, 'targets')
  assert.deepEqual(droppedTargets.map(t => [t.scrapePool, t.discoveredLabels.__address__]), [['by-http', 'elsewhere:1']])
  assert.equal((await targetsOf('by-dns'))[0].discoveredLabels.__meta_dns_srv_record_port, String(port))

  answer = { status: 500 }
  const asked = discovery.requests.length
  await until('discovery has failed', () => discovery.requests.length > asked + 2)
  assert.equal((await targetsOf('by-http')).length, 1)
  answer = { type: 'application/json', body: '[]' }
  await until('the target is gone', async () => (await targetsOf('by-http')).length === 0)
  assert.deepEqual(await vector(cqed.url, '{job="by-http"}'), {})
  dns.close()
  await sleep(0)
  await cqed.stop()
})
