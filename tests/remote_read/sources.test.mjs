// The same samples in a real Prometheus and a real VictoriaMetrics, asked in every way that telemetry.sources knows: by
// remote read, export, query API and in the data folder. The same series each time, three days in windows.
//
//     CQED=build/asan/cqed node --test tests/remote_read/sources.test.mjs

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { freePorts, Programs } from '../../demo/lib/programs.mjs'
import { histogram, integerHistogram, push, sample, series, stale } from '../blocks/remote_write.mjs'
import { binary } from '../e2e/setup.mjs'

const folder = join(dirname(binary), 'e2e', 'remote-sources')
const STEP = 30 * 60_000, N = 144 // three days
const begin = Math.floor(Date.now() / STEP) * STEP - N * STEP
const times = Array.from({ length: N }, (_, i) => begin + i * STEP)
let programs, cqed, prometheus, victoria

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  const [a, b] = await freePorts(2)
  prometheus = `http://127.0.0.1:${a}`
  victoria = `http://127.0.0.1:${b}`
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n')
  writeFileSync(join(folder, 'cqed.yaml'), `
storage: { path: data }
telemetry:
  sources:
    - { name: read, remoteRead: '${prometheus}/api/v1/read' }
    - { name: folder, folder: prometheus-data }
    - { name: query, query: '${prometheus}/api/v1/query' }
    - { name: export, export: '${victoria}/api/v1/export' }
    - { name: vmquery, query: '${victoria}/api/v1/query' }
    - { name: gone, folder: nowhere }
    - { name: strange, folder: '.' }
    - { name: own, folder: data }
    - { name: silent, export: 'http://127.0.0.1:1/api/v1/export', timeout: 1s }
    - { name: wrong, export: '${victoria}/api/v1/nothing' }
`)
  programs.start('prometheus', 'prometheus', ['--config.file=prometheus.yml', '--storage.tsdb.path=prometheus-data',
    `--web.listen-address=127.0.0.1:${a}`, '--web.enable-remote-write-receiver', '--enable-feature=native-histograms'])
  programs.start('victoria', 'victoria-metrics', ['-storageDataPath=victoria-data', `-httpListenAddr=127.0.0.1:${b}`, '-search.latencyOffset=0s'])
  for (const [url, path] of [[prometheus, '/-/ready'], [victoria, '/health']])
    await programs.until('it is ready', async () => (await fetch(url + path)).ok)
  const floats = [
    ...Array.from({ length: 5 }, (_, i) => series({ __name__: 'w_total', i: String(i) }, times.map((t, k) => sample(t, (k % 50) * i)))),
    series({ __name__: 'w_awkward' }, times.map((t, k) => sample(t, [Infinity, 0.1, 123456.789, -Infinity][k % 4])))]
  const ending = series({ __name__: 'w_ending' }, [...times.slice(0, 10).map(t => sample(t, 1)), stale(times[10])])
  await push(prometheus, Buffer.concat([...floats, ending, series({ __name__: 'h_floats' }, times.map((t, k) => histogram(t, k + 1))),
    series({ __name__: 'h_integers' }, times.slice(-9).map((t, k) => integerHistogram(t, k + 1)))]))
  await push(prometheus, series({ __name__: 'h_integers' }, [stale(times.at(-1) + 60_000)]))
  await push(victoria, Buffer.concat([...floats, ending]))
  await fetch(`${victoria}/internal/force_flush`)
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
  await cqed.start()
})

after(async () => {
  await programs.endAll()
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
})

const answer = async (source, query, time = begin + N * STEP, more = {}) =>
  (await fetch(`${cqed.url}/api/v1/query?${new URLSearchParams({ source, query, time: (time / 1000).toFixed(3), ...more })}`)).json()
async function ask(source, query, time) {
  const { status, data, error } = await answer(source, query, time)
  assert.equal(status, 'success', error)
  return data.result.map(s => [JSON.stringify(Object.entries(s.metric).sort()), s.values ?? s.value ?? s.histogram]).sort(([a], [b]) => (a < b ? -1 : 1))
}

test('every sample of three days, by every way', { timeout: 30_000 }, async () => {
  const expected = await ask('folder', '{__name__=~"w_.+"}[4d]')
  assert.deepEqual(expected.map(([labels, values]) => [JSON.parse(labels)[0][1], values.length]),
    [['w_awkward', N], ['w_ending', 10], ...Array.from({ length: 5 }, () => ['w_total', N])])
  for (const source of ['read', 'query', 'export'])
    assert.deepEqual(await ask(source, '{__name__=~"w_.+"}[4d]'), expected, source)
  const withoutMarkers = '{__name__=~"w_.+",__name__!="w_ending"}[4d]' // which VictoriaMetrics's query API gives as NaN
  assert.deepEqual(await ask('vmquery', withoutMarkers), await ask('folder', withoutMarkers))
  const rates = await ask('folder', 'sum(increase(w_total{i=~"[1-3]"}[1d]))')
  for (const source of ['read', 'query', 'export', 'vmquery']) assert.deepEqual(await ask(source, 'sum(increase(w_total{i=~"[1-3]"}[1d]))'), rates, source)
})

test('a series that ended has ended, where stale markers come', async () => {
  const looksBack = { lookback_delta: '1h' }
  for (const [source, n] of [['folder', 0], ['read', 0], ['export', 0], ['query', 1], ['vmquery', 1]]) {
    const { data } = await answer(source, 'w_ending', times[10] + 1000, looksBack)
    assert.equal(data.result.length, n, source)
  }
  for (const source of ['read', 'folder']) {
    assert.equal((await answer(source, 'count_over_time(h_integers[1h])', times.at(-1) - 1)).data.result.length, 1)
    assert.equal((await answer(source, 'h_integers', times.at(-1) + 120_000, looksBack)).data.result.length, 0)
  }
})

test('native histograms by remote read, and in the folder', async () => {
  const expected = times.map((t, k) => [t / 1000, String(7 * (k + 1))])
  for (const source of ['read', 'folder']) {
    assert.equal((await ask(source, 'count_over_time(h_floats[4d])'))[0][1][1], String(N))
    assert.equal((await ask(source, 'histogram_count(h_floats)', times[20]))[0][1][1], expected[20][1])
    assert.equal((await ask(source, 'histogram_sum(h_integers)', times.at(-2)))[0][1][1], String(12.5 * 8))
    assert.equal((await ask(source, 'histogram_count(increase(h_floats[1d]))', times[100] + 1000)).length, 1)
  }
  assert.deepEqual(await ask('read', 'h_floats', times[30]), await ask('folder', 'h_floats', times[30]))
  const refused = await answer('query', 'h_floats', times[30])
  assert.match(refused.error, /source 'query': native histograms by the query API are not implemented/)
})

test('what cannot be asked says why', async () => {
  const says = async (source, pattern) => assert.match((await answer(source, 'up')).error, pattern)
  await says('gone', /source 'gone': there is no folder '.*nowhere'/)
  await says('strange', /source 'strange': '.*' is no data folder of a Prometheus/)
  await says('own', /source 'own': '.*data' is the data folder of a cQED/)
  await says('silent', /source 'silent'/)
  await says('wrong', /source 'wrong' .* answers 4/)
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  assert.match(log, /warn +remote: source 'gone': there is no folder/)
})
