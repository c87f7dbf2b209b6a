// run.mjs -- `make bench`: cQED and Debian's Prometheus and VictoriaMetrics side by side on this machine, in one run of
// a quarter of an hour; QUICK=1 for fewer runs of less. Prints one table: what each costs, in CPU seconds of the server,
// and how many times that is. It says what it measured and never fails for a time; it fails when something did not run
// or they disagree. How to read it: docs/manual/benchmarks.md.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PartFailed, Programs, sleep, tailOf } from '../demo/lib/programs.mjs'
import { table, title } from '../demo/lib/say.mjs'
import { machine, median, pin, residentBytes } from './lib/measure.mjs'
import { writeSample } from './lib/remote_write.mjs'
import { Cqed, Prometheus, VictoriaMetrics, startExporter } from './lib/servers.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = process.env.BUILD ?? join(root, 'build')
const folder = process.env.BENCH_FOLDER ?? join(build, 'bench/run')
const quick = process.env.QUICK === '1'
const targets = Number(process.env.TARGETS ?? 100) // that two scrape at the same time
const manyTargets = quick ? 100 : 500 // that one scrapes alone
const only = process.env.ONLY?.split(',') // of the parts below
const peers = process.env.PEERS?.split(',') ?? ['prometheus', 'victoria-metrics'] // where each is measured alone

const SERIES = 1000 // a target
const RUNS = quick ? 3 : 5
const WINDOW_MS = 5000
const STEP_MS = 15_000
const hours = Number(process.env.HOURS ?? 6) // of history

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const programs = new Programs(folder)
const binary = join(build, 'cqed')
const apart = cpus().length > 1 // servers on core 0, the generator on core 1

const rows = []
/** A row of the table: of cQED, Prometheus, VictoriaMetrics, null where there is none. `more` tells whether more is
 * better; the ratios = how many times better cQED is. */
function row(what, unit, ours, theirs, { more = false, digits = 3, bar = '', vm = null } = {}) {
  const ratio = other => {
    if (!Number.isFinite(other)) return '-'
    const times = more ? ours / other : other / ours
    return `${times >= 100 ? Math.round(times) : times.toPrecision(3)}x`
  }
  const show = x => {
    if (!Number.isFinite(x)) return '-'
    return x >= 1e6 ? `${(x / 1e6).toFixed(2)}M` : Number(x.toPrecision(digits)).toString()
  }
  rows.push([what, unit, show(ours), show(theirs), show(vm), ratio(theirs), ratio(vm), bar])
  console.log(`  ${what}: ${show(ours)} / ${show(theirs)} / ${show(vm)} ${unit}, ${ratio(theirs)}, ${ratio(vm)}`)
}

// --- Live: both scrape the same targets at the same time ---

const slo = {
  apiVersion: 'openslo/v1',
  kind: 'SLO',
  metadata: { name: 'fleet' },
  spec: {
    service: 'fleet',
    budgetingMethod: 'Occurrences',
    indicator: {
      metadata: { name: 'fleet' },
      spec: {
        ratioMetric: {
          counter: true,
          bad: { metricSource: { type: 'Prometheus', spec: { query: 'http_requests_total{job="fleet",code=~"5.."}' } } },
          total: { metricSource: { type: 'Prometheus', spec: { query: 'http_requests_total{job="fleet"}' } } },
        },
      },
    },
    timeWindow: [{ duration: '28d', isRolling: true }],
    objectives: [{ target: 0.99 }],
  },
}

function fleetScrape(port, client, n = targets) {
  return [{
    job_name: 'fleet',
    scrape_interval: '1s',
    scrape_timeout: '1s',
    static_configs: Array.from({ length: n }, (_, i) => ({
      targets: [`127.0.0.1:${port}`],
      labels: { __metrics_path__: `/live/${client}/${i}`, instance: `t${i}` },
    })),
  }]
}

async function live() {
  title(`Scrape: ${targets} targets of ${SERIES} series, each second, by both at once`)
  const exporter = await startExporter(programs, 'live-exporter', join(build, 'bench/bench_exporter'), [targets, SERIES])
  const servers = [
    new Cqed(programs, join(folder, 'live-cqed'), { binary, scrape: fleetScrape(exporter.port, 0), slos: [slo] }),
    new Prometheus(programs, join(folder, 'live-prometheus'), { scrape: fleetScrape(exporter.port, 1) }),
  ]
  for (const server of servers) {
    await server.start()
    if (apart) pin(server.pid, '0')
  }
  if (apart) pin(exporter.program.pid, '1')
  await programs.until('both hold every series', async () => {
    const counts = await Promise.all(servers.map(s => s.value('count({job="fleet",__name__=~"http_.*"})')))
    return counts.every(n => n === targets * SERIES)
  }, { timeoutMs: 60_000, everyMs: 1000 })
  await sleep(20_000) // a minute of it, about, by the time of the restarts
  if (apart) for (const server of servers) pin(server.pid, '0-1')
  await sliWindows(servers)
  const seriesK = targets * SERIES / 1000
  await restarts(servers, Math.floor(Date.now() / 1000) - 3, `${seriesK}k series scraped for a minute`, 0.01)
  for (const server of servers) await server.stop()
  await programs.end(exporter.program)
}

// --- Scrape: each alone ---

async function scrape() {
  const series = manyTargets * SERIES
  title(`Scrape: ${manyTargets} targets of ${SERIES} series, each second, each server alone on a core of its own`)
  const exporter = await startExporter(programs, 'exporter', join(build, 'bench/bench_exporter'), [manyTargets, SERIES])
  if (apart) pin(exporter.program.pid, '1')
  const found = {}
  for (const server of servers('scrape', i => fleetScrape(exporter.port, i, manyTargets))) {
    const client = { cqed: 0, prometheus: 1, 'victoria-metrics': 2 }[server.name]
    await server.start()
    const idle = residentBytes(server.pid)
    if (apart) pin(server.pid, '0')
    // On a busy machine scrapes of a slow server time out, and then some series are stale.
    await programs.until(`${server.name} holds most series`,
      async () => (await server.value('count({job="fleet",__name__=~"http_.*"})').catch(() => NaN)) >= series / 2,
      { timeoutMs: 120_000, everyMs: 2000 })
    await sleep(WINDOW_MS)
    const rates = []
    for (let run = 0; run < RUNS; run++) {
      const before = [(await exporter.stat()).live[client], server.cpu()]
      await sleep(WINDOW_MS)
      rates.push(((await exporter.stat()).live[client] - before[0]) / (server.cpu() - before[1]))
    }
    found[server.name] = [median(rates), (residentBytes(server.pid) - idle) / series]
    await server.stop()
  }
  const [ours, theirs, vm] = inOrder(found)
  row(`scrape, ${manyTargets} x ${SERIES}`, 'samples/CPU-s', ours[0], theirs[0], { ...perCpu, vm: vm[0], bar: '3M (aim 6M)' })
  row(`scrape, ${manyTargets} x ${SERIES}, resident above idle`, 'B/series', ours[1], theirs[1], { vm: vm[1] })
  await programs.end(exporter.program)
}

/** The error ratio of all targets over two windows: cQED subtracts its SLI counters, a rule sums every series. */
async function sliWindows(servers) {
  const [cqed, prometheus] = servers
  const raw = window => `sum(rate(http_requests_total{job="fleet",code=~"5.."}[${window}])) / ` +
    `sum(rate(http_requests_total{job="fleet"}[${window}]))`
  const sli = window => `1 - sum(increase(cqed_sli_good_total{slo="fleet"}[${window}])) / ` +
    `sum(increase(cqed_sli_total{slo="fleet"}[${window}]))`
  for (const window of ['5m', '1h']) {
    const [ours, theirs] = [await cqed.value(sli(window)), await prometheus.value(raw(window))]
    agree(`SLI ratio ${window}`, ours, theirs, 0.05)
    const costs = await alternate([
      () => costOf(cqed, () => cqed.ask(sli(window))),
      () => costOf(prometheus, () => prometheus.ask(raw(window))),
    ])
    row(`SLI ratio, ${window}, of ${targets * SERIES / 5} series`, 'CPU-ms', ...costs.map(c => c.cpuMs))
  }
}

// --- Remote write: the same load to one after the other, each alone ---

const atStart = () => Date.now() - 20 * 3_600_000
const servers = (name, scrape = () => []) => [
  new Cqed(programs, join(folder, `${name}-cqed`), { binary, scrape: scrape(0), slos: [] }),
  new Prometheus(programs, join(folder, `${name}-prometheus`), { scrape: scrape(1), receive: true }),
  new VictoriaMetrics(programs, join(folder, `${name}-vm`), { scrape: scrape(2) }),
].filter(server => server.name === 'cqed' || peers.includes(server.name))

/** What was found of each, by name: cQED's, Prometheus's, VictoriaMetrics's; empty where it was not asked. */
const inOrder = found => ['cqed', 'prometheus', 'victoria-metrics'].map(name => found[name] ?? [])

/** Start the generator; `ended` gives what it said. */
function generate(server, options) {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const writer = programs.start(`to-${server.name}`, join(build, 'bench/bench_load'), [`${server.url}/api/v1/write`, ...args])
  writer.ending = true // it may end by itself
  if (apart) pin(writer.pid, '1')
  const ended = writer.exited.then(({ code }) => {
    const said = readFileSync(writer.log, 'utf8').trimEnd().split('\n').at(-1)
    if (code !== 0) throw new PartFailed(writer.name, `ended with ${code}`, writer.log)
    return JSON.parse(said)
  })
  return { writer, ended }
}

/** RUNS times more of the load, each after the one before: the median of samples a CPU second. */
async function rate(server, options, from) {
  const rates = []
  for (let run = 0; run < RUNS; run++) {
    const before = server.cpu()
    const said = await generate(server, { ...options, start: from.ms }).ended
    rates.push(said.samples / (server.cpu() - before))
    from.ms = said.lastMs + 5000
  }
  return median(rates)
}

const perCpu = { more: true }

async function write() {
  const seconds = quick ? 2 : 4
  title('Remote write 1.0: each server alone, on a core of its own')
  const found = {}
  for (const server of servers('write')) {
    const from = { ms: atStart() }
    await server.start()
    if (apart) pin(server.pid, '0')
    from.ms = (await generate(server, { series: 100_000, passes: 2, start: from.ms }).ended).lastMs + 5000
    const single = await rate(server, { series: 100_000, seconds }, from)
    const many = await rate(server, { series: 20_000, samples: 20, 'a-request': 20_000, seconds }, from)
    found[server.name] = [single, many, ...(await freshness(server, from))]
    await server.stop()
  }
  const [ours, theirs, vm] = inOrder(found)
  row('remote write, 100k series, 2,000 samples a request', 'samples/CPU-s', ours[0], theirs[0], { ...perCpu, vm: vm[0], bar: '3M (aim 6M)' })
  row('remote write, 20k series, 20 samples a series', 'samples/CPU-s', ours[1], theirs[1], { ...perCpu, vm: vm[1], bar: '10M (aim 20M)' })
  row('written to visible, p50, under 100k samples/s', 'ms', ours[2], theirs[2], { vm: vm[2] })
  row('  the same, p99', 'ms', ours[3], theirs[3], { vm: vm[3], bar: '50 ms (aim 5)' })
}

/** From before a sample is sent until a query gives it back, while others write: the median and the 99th percentile. */
async function freshness(server, from) {
  const { writer, ended } = generate(server, { series: 100_000, seconds: 60, rate: 100_000, start: from.ms })
  const times = []
  for (let probe = 0; probe < (quick ? 50 : 150); probe++) {
    const nowMs = Date.now()
    const began = performance.now()
    await writeSample(`${server.url}/api/v1/write`, { __name__: 'bench_probe' }, nowMs, probe)
    while ((await server.value('bench_probe', nowMs / 1000)) !== probe)
      if (performance.now() - began > 30_000) throw new Error(`${server.name} does not show what was written`)
    times.push(performance.now() - began)
    await sleep(20)
  }
  await programs.end(writer)
  await ended.catch(() => {}) // it was ended
  times.sort((a, b) => a - b)
  return [median(times), times[Math.floor(times.length * 0.99)]]
}

async function million() {
  const series = Number(process.env.MILLION ?? (quick ? 200_000 : 1_000_000))
  const name = series === 1_000_000 ? '1M series' : `${series / 1000}k series`
  title(`${name}, 5 s between samples`)
  const found = {}
  for (const server of servers('million')) {
    const from = { ms: atStart() }
    await server.start()
    const idle = residentBytes(server.pid)
    if (apart) pin(server.pid, '0')
    const before = server.cpu()
    from.ms = (await generate(server, { series, passes: 1, start: from.ms }).ended).lastMs + 5000
    const fresh = series / (server.cpu() - before)
    const known = await rate(server, { series, passes: 2 }, from)
    await quiet([server])
    const bytes = (residentBytes(server.pid) - idle) / series
    if (apart) pin(server.pid, '0-1')
    const [seconds, cpu] = await restart(server, from, series)
    found[server.name] = [fresh, known, bytes, seconds, cpu]
    await server.stop()
  }
  const [ours, theirs, vm] = inOrder(found)
  const samples = 1 + 2 * RUNS
  row(`remote write, ${name}, none known`, 'samples/CPU-s', ours[0], theirs[0], { ...perCpu, vm: vm[0] })
  row(`remote write, ${name}, all known`, 'samples/CPU-s', ours[1], theirs[1], { ...perCpu, vm: vm[1], bar: '2M (aim 4M) at 1M' })
  row(`resident above idle, ${name} of ${samples} samples`, 'B/series', ours[2], theirs[2], { vm: vm[2], bar: '500 (aim 300) at 1M' })
  row(`kill -9 to right answer, ${name}`, 's', ours[3], theirs[3], { vm: vm[3], bar: '3 s (aim 1) at 1M' })
  row('  the same', 'CPU-s', ours[4], theirs[4], { vm: vm[4] })
}

/** Killed right after its last acknowledgement: wall and CPU seconds until what was acknowledged is there again. NaN
 * when it is not. */
async function restart(server, from, series) {
  const said = await generate(server, { series, passes: 1, start: from.ms }).ended
  await server.kill9()
  const began = performance.now()
  await server.start()
  const atS = said.lastMs / 1000
  const held = () => server.value('count(last_over_time({__name__=~"http_.*"}[4s]))', atS).catch(() => NaN)
  while ((await held()) !== series)
    if (performance.now() - began > 120_000) {
      console.log(`  ${server.name} has lost something: ${await held()} of ${series} series have their last sample`)
      return [NaN, NaN]
    }
  return [(performance.now() - began) / 1000, server.cpu()]
}

// --- History: both hold the same six hours ---

const ratio = window => `sum by (pod) (rate(http_requests_total{code=~"5.."}[${window}])) / ` +
  `sum by (pod) (rate(http_requests_total[${window}]))`

const queries = [
  ['range, sum by (route) (rate), 10k series', 'sum by (route) (rate(http_requests_total[5m]))', true, '5x and 2x (aim 15x and 5x)'],
  ['range, histogram_quantile, 10k series',
    'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', true, '5x and 2x (aim 15x and 5x)'],
  ...['5m', '1h', '6h'].map(w => [`instant, SLO ratio by pod, ${w}, 10k series`, ratio(w), false, '5x (aim 15x)']),
]

async function history() {
  title(`History: 20,000 series, ${hours} hours at 15 s`)
  const endMs = Math.floor(Date.now() / STEP_MS) * STEP_MS
  const all = await holders('history')
  const rates = await load(all, 'fleet', endMs, hours, {
    http_requests_total: 10_000,
    http_request_duration_seconds_bucket: 833 * 12,
  })
  row('remote write, 20k series, 12 samples a series', 'samples/CPU-s', rates[0], rates[1],
    { more: true, vm: rates[2], bar: '10M at 20 a series' })
  // Between two samples, so that windows closed and open at their left end hold the same samples.
  const endS = endMs / 1000 - 7
  for (const [what, query, isRange, bar] of queries) await compare(all, what, query, isRange, endS, bar)
  const [cqed, prometheus, victoria] = all
  await victoria.stop()
  await restarts([cqed, prometheus], endS, `${Math.round(hours * 4.8)}M samples remote-written`, 1e-12)
  for (const server of [cqed, prometheus]) await server.stop()
}

/** One request counter of a service, by two methods and two codes: what an SLO is made of. */
async function services() {
  title('1,000 services of 4 series, a day at 15 s')
  const endMs = Math.floor(Date.now() / STEP_MS) * STEP_MS
  const all = await holders('services')
  await load(all, 'services', endMs, 24, { http_requests_total: 4000 })
  for (const window of ['5m', '1h', '6h', '1d'])
    await compare(all, `instant, SLO ratio of 1,000 services, ${window}`, ratio(window), false, endMs / 1000 - 7, '5x (aim 15x)')
  for (const server of all) await server.stop()
}

/** The three that are told the same past, started. */
async function holders(part) {
  const all = [
    new Cqed(programs, join(folder, `${part}-cqed`), { binary, scrape: [], slos: [] }),
    new Prometheus(programs, join(folder, `${part}-prometheus`), { scrape: [], receive: true }),
    new VictoriaMetrics(programs, join(folder, `${part}-vm`), { scrape: [] }),
  ]
  await Promise.all(all.map(server => server.start()))
  return all
}

/** The same requests to all at once; samples taken a CPU second, by server. `series` by metric. */
async function load(servers, which, endMs, hours, series) {
  const samples = Object.values(series).reduce((a, b) => a + b) * (hours * 240 + 1)
  const rates = await Promise.all(servers.map(async server => {
    const before = server.cpu()
    const writer = programs.start(`${which}-to-${server.name}`, join(build, 'bench/bench_remote_write'),
      [`${server.url}/api/v1/write`, String(endMs), String(hours * 3_600_000), which])
    writer.ending = true // it may end by itself
    const { code } = await writer.exited
    if (code !== 0) throw new PartFailed(writer.name, `ended with ${code}`, writer.log)
    return samples / (server.cpu() - before)
  }))
  for (const server of servers) {
    await sleep(server.name === 'victoria-metrics' ? 2000 : 0) // until it shows what it took
    const held = await server.value(Object.keys(series).map(name => `sum(count_over_time(${name}[${hours + 1}h]))`).join(' + '))
    if (held !== samples) throw new Error(`${server.name} was sent ${samples} samples and holds ${held}`)
  }
  await quiet(servers)
  return rates
}

/** Wait until compaction and alike are over. */
async function quiet(servers) {
  await programs.until('the servers are idle', async () => {
    const before = servers.map(s => s.cpu())
    await sleep(1000)
    return servers.every((s, i) => s.cpu() - before[i] < 0.1)
  }, { timeoutMs: 60_000 })
}

async function compare(servers, what, query, isRange, endS, bar) {
  const when = isRange
    ? { range: { start: endS - hours * 3600 + 300, end: endS, step: 15 } }
    : { time: endS }
  const sums = []
  for (const server of servers) sums.push(sumOf(await server.ask(query, when)))
  agree(what, sums[0], sums[1], 1e-6) // VictoriaMetrics does not extrapolate: it has other answers, by design
  const costs = await alternate(servers.map(s => () => costOf(s, () => s.ask(query, when))))
  const [cpu, wall] = ['cpuMs', 'wallMs'].map(key => costs.map(c => c[key]))
  row(what, 'CPU-ms', cpu[0], cpu[1], { vm: cpu[2], bar })
  row('  the same, wall', 'ms', wall[0], wall[1], { vm: wall[2] })
}

/** From kill -9 to the right answer of a query over what was there before. */
async function restarts(servers, endS, what, within) {
  const query = 'sum(http_requests_total)'
  const times = [[], []]
  const costs = [[], []]
  const wanted = await Promise.all(servers.map(s => s.value(query, endS)))
  agree('before the restart', ...wanted, within)
  for (let run = 0; run < RUNS; run++)
    for (const [i, server] of servers.entries()) {
      await server.kill9()
      const began = performance.now()
      await server.start()
      await programs.until('the right answer', async () => (await server.value(query, endS)) === wanted[i],
        { everyMs: 5, timeoutMs: 60_000, part: server.program })
      times[i].push((performance.now() - began) / 1000)
      costs[i].push(server.cpu()) // of this life
    }
  row(`kill -9 to right answer, ${what}`, 's', ...times.map(median), { bar: '3 s at 1M series' })
  row('  the same', 'CPU-s', ...costs.map(median))
}

// --- How a question is measured ---

/** Ask for at least half a second, so that ticks of 10 ms suffice: CPU and wall milliseconds of one. */
async function costOf(server, ask) {
  const cpu = server.cpu()
  const walls = []
  const began = performance.now()
  while (performance.now() - began < 500) {
    const at = performance.now()
    await ask()
    walls.push(performance.now() - at)
  }
  return { cpuMs: (server.cpu() - cpu) * 1000 / walls.length, wallMs: median(walls) }
}

/** One after the other, RUNS times, so that what disturbs the machine disturbs both; the medians of each. */
async function alternate(measures) {
  const all = measures.map(() => [])
  for (let run = 0; run < RUNS; run++)
    for (const [i, measure] of measures.entries()) all[i].push(await measure())
  return all.map(costs => ({ cpuMs: median(costs.map(c => c.cpuMs)), wallMs: median(costs.map(c => c.wallMs)) }))
}

/** Of every value in an answer. */
function sumOf(text) {
  let sum = 0
  for (const series of JSON.parse(text).data.result)
    for (const [, value] of series.values ?? [series.value]) if (Number.isFinite(Number(value))) sum += Number(value)
  return sum
}

function agree(what, ours, theirs, within) {
  const apartBy = Math.abs(ours - theirs) / Math.abs(theirs)
  if (!(apartBy <= within)) throw new Error(`${what}: cQED says ${ours}, Prometheus ${theirs}`)
}

// --- cQED alone: nothing in Prometheus 2.42 does this ---

const quietly = { stdio: ['ignore', 'pipe', 'pipe'] }

async function alone() {
  title('cQED alone')
  const otlp = []
  const decisions = []
  for (let run = 0; run < RUNS; run++) {
    const out = execFileSync(join(build, 'tests/otlp/otlp_measure'), [join(folder, `otlp${run}`), '60'], quietly).toString()
    otlp.push(Number(/later ones:\s+(\S+) M/.exec(out)[1]) * 1e6)
    const place = join(folder, `ledger${run}`)
    mkdirSync(place)
    decisions.push(JSON.parse(execFileSync(join(build, 'bench/bench_decisions'), [place, '300'], quietly).toString()))
  }
  row('OTLP protobuf to the store, without HTTP', 'samples/CPU-s', median(otlp), null, { bar: '2M' })
  const of = key => median(decisions.map(d => d[key]))
  row('a decision: decide()', 'us', of('decideUs'), null)
  row('a decision: into the ledger, signed and fsynced', 'us', of('appendUs'), null)
  row('  the same, p99', 'us', of('appendP99Us'), null)
  row('  all of it', 'CPU-us', of('cpuUs'), null)
}

// --- What the machine can do ---

/** Tight loops without a server: the least that a sample can cost here. */
function limits() {
  const found = JSON.parse(execFileSync(join(build, 'tests/store/store_limits'), quietly).toString())
  title('This machine, in tight loops')
  row('a load that waits for memory', 'ns', found.loadNs, null)
  row('snappy, decompressed', 'MB/s', found.snappyMB, null, { more: true })
  row('append to a chunk in the cache', 'M/s', found.hotAppends, null, { more: true })
  row('append to 1M series in order of arrival', 'M/s', found.appendsInOrder, null, { more: true })
  row('append to 1M series in no order', 'M/s', found.appendsInNone, null, { more: true })
}

// --- The run ---

const parts = { write, million, scrape, live, history, services, alone }
const stop = code => {
  programs.killAll()
  process.exit(code)
}
process.on('SIGINT', () => stop(130))
process.on('SIGTERM', () => stop(143))

try {
  const version = /version (\S+)/.exec(execFileSync('prometheus', ['--version']).toString())[1].replace(/,$/, '')
  const vmVersion = /v(\d[\w.]*)/.exec(execFileSync('victoria-metrics', ['--version']).toString())?.[1] ?? 'of Debian'
  const began = machine()
  limits()
  for (const [name, part] of Object.entries(parts)) if (!only || only.includes(name)) await part()
  title(`cQED, Prometheus ${version} and VictoriaMetrics ${vmVersion}, medians of ${RUNS}`)
  table(['row', 'unit', 'cQED', 'Prometheus', 'VictoriaMetrics', 'better by', 'and by', 'bar'], rows)
  console.log(`\nat the start: ${began}\nat the end:   ${machine()}`)
} catch (error) {
  console.error(`\nbench: ${error.message}`)
  if (error.log) console.error(tailOf(error.log))
  await programs.endAll()
  process.exitCode = 1
} finally {
  await programs.endAll()
}
