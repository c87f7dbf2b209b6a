// The data folder of a real Prometheus, read while Prometheus runs, cuts blocks and truncates its log, and after it was
// killed: every sample is what its own API answers.
//
//     CQED=build/asan/cqed node --test tests/blocks/foreign.test.mjs

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePorts, Programs } from '../../demo/lib/programs.mjs'
import { binary } from '../e2e/setup.mjs'
import { histogram, integerHistogram, push, sample, series, stale } from './remote_write.mjs'

const folder = join(dirname(binary), 'e2e', 'foreign'), data = join(folder, 'data')
const MINUTE = 60_000, STEP = 15_000
const begin = Math.floor(Date.now() / MINUTE) * MINUTE - 70 * MINUTE
let programs, prometheus, url, port

async function start() {
  prometheus = programs.start('prometheus', 'prometheus', [
    '--config.file=prometheus.yml', `--storage.tsdb.path=${data}`, `--web.listen-address=127.0.0.1:${port}`,
    '--storage.tsdb.min-block-duration=5m', '--storage.tsdb.max-block-duration=20m', '--web.enable-admin-api',
    '--web.enable-remote-write-receiver', '--enable-feature=native-histograms'])
  url = `http://127.0.0.1:${port}`
  await programs.until('Prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok, { part: prometheus })
}

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'prometheus.yml'), 'storage: { tsdb: { out_of_order_time_window: 1h } }\n')
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll());
  [port] = await freePorts(1)
  await start()
})
after(() => programs.endAll())

/** What a minute brings, the k-th one: counters, awkward values, histograms of both kinds, a series that ends and comes back,
 * samples that come late, one that comes twice. */
function minute(k) {
  const times = [0, 1, 2, 3].map(i => begin + k * MINUTE + i * STEP)
  const n = t => (t - begin) / STEP
  const all = []
  for (let i = 0; i < 20; i++)
    all.push(series({ __name__: 'w_total', i: String(i), k: i % 2 ? 'odd' : 'even' }, times.map(t => sample(t, (n(t) % 100) * i))))
  all.push(series({ __name__: 'w_awkward' }, times.map(t => sample(t, [NaN, Infinity, 0.1, 1e-300, -0][n(t) % 5]))))
  all.push(series({ __name__: 'w_floats' }, times.map(t => histogram(t, 1 + (n(t) % 50)))))
  all.push(series({ __name__: 'w_integers' }, times.map(t => integerHistogram(t, 1 + n(t)))))
  all.push(series({ __name__: 'w_ending' }, k % 3 ? times.map(t => sample(t, k)) : [stale(times[0])]))
  all.push(series({ __name__: `w_churn_${Math.floor(k / 10)}` }, times.map(t => sample(t, k))))
  return Buffer.concat(all)
}
const late = k => series({ __name__: 'w_total', i: '3', k: 'odd' }, [1, 2].map(i => sample(begin + k * MINUTE - i * STEP - 7000, -k)))

/** Without the buckets' bounds, whose last digit 2.42 has wrong (2^0.25 ends in 5, not 4). */
const counts = ([t, h]) => [t, h.count, h.sum, ...(h.buckets ?? []).map(([, , , count]) => count)]
const sorted = (result, kind) => result.map(s => [JSON.stringify(Object.entries(s.metric).sort()),
  kind === 'values' ? s.values ?? [] : (s.histograms ?? []).map(counts)]).filter(([, points]) => points.length > 0).sort(([a], [b]) => (a < b ? -1 : 1))

/** Every float sample; and histograms at the times of the samples, because 2.42 gives the last one for all of a range selector's. */
const floats = '{__name__=~"w_.+"}[80m]', histograms = '{__name__=~"w_(floats|integers)"}'
const end = (begin + 75 * MINUTE) / 1000

async function theirs() {
  const ask = async (path, parameters) => {
    const answer = await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()
    assert.equal(answer.status, 'success', answer.error)
    return answer.data.result
  }
  return [...sorted(await ask('query', { query: floats, time: end + 0.001 }), 'values'),
    ...sorted(await ask('query_range', { query: histograms, start: begin / 1000 + 0.001, end: end + 0.001, step: 15 }), 'histograms')]
}

function ours(path = data) {
  const ask = (...args) => JSON.parse(execFileSync(binary, ['query', '--json', '--data', path, ...args],
    { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })).data.result
  return [...sorted(ask('--at', String(end + 0.001), floats), 'values'),
    ...sorted(ask('--at', String(end + 0.001), '--range', '75m', '--step', '15s', histograms), 'histograms')]
}

function assertSame(found, expected) {
  const lengths = result => result.map(([labels, points]) => [labels, points.length])
  assert.deepEqual(lengths(found), lengths(expected))
  assert.deepEqual(found, expected)
}

const entries = path => readdirSync(join(data, path))
const blocks = () => entries('.').filter(name => /^[0-9A-Z]{26}$/.test(name))

test('a running Prometheus: log, late samples, blocks as they come, deletions', { timeout: 60_000 }, async () => {
  for (let k = 0; k < 30; k++) {
    await push(url, minute(k))
    if (k % 4 === 2) await push(url, late(k))
    if (k === 3 || k === 11) assertSame(ours(), await theirs())
  }
  await programs.until('there are blocks', () => blocks().length >= 2, { part: prometheus })
  const before = await theirs()
  assert.ok(before.length >= 26 && before[0][1].length > 0)
  assertSame(ours(), before)

  const admin = await fetch(`${url}/api/v1/admin/tsdb/delete_series?${new URLSearchParams({ 'match[]': 'w_total{i="7"}' })}`, { method: 'POST' })
  assert.equal(admin.status, 204)
  for (let k = 30; k < 34; k++) await push(url, minute(k))
  const left = await theirs()
  assertSame(ours(), left)
  assert.equal(left.find(([labels]) => labels.includes('"7"'))?.[1].length, 16)
})

test('after kill -9, and as a restarted one goes on', { timeout: 60_000 }, async () => {
  const pushing = (async () => { for (let k = 34; k < 60; k++) await push(url, minute(k)) })().catch(() => {})
  await new Promise(resolve => setTimeout(resolve, 60))
  await programs.end(prometheus, 'SIGKILL')
  await pushing
  const found = ours()
  const torn = join(folder, 'torn')
  cpSync(data, torn, { recursive: true })
  const last = join(torn, 'wal', readdirSync(join(torn, 'wal')).filter(name => /^\d+$/.test(name)).sort().at(-1))
  truncateSync(last, statSync(last).size - 5)
  assert.ok(ours(torn).length >= found.length - 1)

  await start()
  // Killed between a block that leaves out what was deleted and the log's truncation, the deleted samples are in the log alone
  // and show (docs/format/prometheus-wal.md); Prometheus drops all that is older than its blocks.
  const kept = result => result.filter(([labels]) => !labels.includes('["i","7"]'))
  assertSame(kept(found), kept(await theirs()))
  for (let k = 60; k < 66; k++) await push(url, minute(k))
  assertSame(ours(), await theirs())
  await programs.until('there is a checkpoint', () => entries('wal').some(name => /^checkpoint\.\d+$/.test(name)), { part: prometheus })
  assertSame(ours(), await theirs())
})
