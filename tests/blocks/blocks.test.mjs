// Nine hours go into a real `cqed serve`, most of them end up in blocks, and a snapshot is taken: promtool reads it, and a
// real Prometheus started on it gives the same answers. Then series are deleted.
//
//     CQED=build/asan/cqed node --test tests/blocks/

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { freePorts, Programs } from '../../demo/lib/programs.mjs'
import { binary } from '../e2e/setup.mjs'
import { histogram, push, sample, series } from './remote_write.mjs'

const folder = join(dirname(binary), 'e2e', 'blocks')
const HOUR = 3600_000, STEP = 60_000, HOURS = 9
const begin = Math.floor(Date.now() / STEP) * STEP - HOURS * HOUR
let programs, cqed, prometheus

function assertSound() {
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
}

const configure = more => writeFileSync(join(folder, 'cqed.yaml'), `storage: { path: data, flush: 100ms${more} }\n`)

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  configure(', adminApi: true')
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
})

after(async () => {
  await programs.endAll()
  assertSound()
})

/** Counters that reset, noise, integers and awkward numbers, a series that ends, and native histograms. */
function hour(h) {
  const times = Array.from({ length: HOUR / STEP }, (_, i) => begin + h * HOUR + i * STEP)
  const k = t => (t - begin) / STEP
  const all = []
  for (let i = 0; i < 30; i++)
    all.push(series({ __name__: 'shop_orders_total', code: i % 3 ? '200' : '500', route: `/r/${i}`, note: 'ü "quoted"' },
      times.map(t => sample(t, (k(t) % 200) * (i + 1)))))
  const awkward = [NaN, Infinity, -Infinity, 0, 1e-300, 0.1, 123456789.123]
  all.push(series({ __name__: 'shop_awkward' }, times.map(t => sample(t, awkward[k(t) % awkward.length]))))
  all.push(series({ __name__: 'shop_noise' }, times.map(t => sample(t, Math.sin(k(t) * k(t))))))
  all.push(series({ __name__: 'shop_native' }, times.map(t => histogram(t, 1 + (k(t) % 300)))))
  if (h < 2) all.push(series({ __name__: 'shop_gone' }, times.map(t => sample(t, 1))))
  return Buffer.concat(all)
}

// --- The two, asked the same ---

async function ask(url, path, parameters) {
  const answer = await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()
  assert.equal(answer.status, 'success', JSON.stringify(answer))
  return answer.data.result ?? answer.data
}

const keyed = result => Object.fromEntries(result
  .map(({ metric, values, value }) => [JSON.stringify(Object.entries(metric).sort()), values ?? value])
  .sort(([a], [b]) => (a < b ? -1 : 1)))

/** 14 digits of a computed value: the two add up in another order. */
const rounded = points => points.map(p => (typeof p === 'string' && Number.isFinite(Number(p)) ? Number(p).toPrecision(14) : Array.isArray(p) ? rounded(p) : p))
const alike = result => Object.fromEntries(Object.entries(keyed(result)).map(([name, points]) => [name, rounded(points)]))

async function compare(path, parameters) {
  const [theirs, ours] = await Promise.all([ask(prometheus.url, path, parameters), ask(cqed.url, path, parameters)])
  assert.ok(theirs.length > 0, `${parameters.query} has no answer`)
  if (typeof theirs[0] === 'string') assert.deepEqual(ours, theirs)
  else if (parameters.query.includes('(')) assert.deepEqual(alike(ours), alike(theirs), parameters.query)
  else assert.deepEqual(keyed(ours), keyed(theirs), parameters.query)
}

const promtool = (...args) => execFileSync('promtool', ['tsdb', ...args], { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })

async function startPrometheus(data) {
  const [port] = await freePorts(1)
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n')
  const program = programs.start('prometheus', 'prometheus', [
    '--config.file=prometheus.yml', `--storage.tsdb.path=${data}`, `--web.listen-address=127.0.0.1:${port}`])
  const url = `http://127.0.0.1:${port}`
  await programs.until('Prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok, { part: program })
  return { url, program }
}

const metric = async name => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await (await fetch(`${cqed.url}/metrics`)).text())?.[1])
const blocks = path => readdirSync(path).filter(name => /^[0-9A-Z]{26}$/.test(name))

test('promtool and Prometheus read what cQED kept', { timeout: 60_000 }, async () => {
  await cqed.start()
  for (let h = 0; h < HOURS; h++) await push(cqed.url, hour(h))
  await cqed.stop()
  await cqed.start() // blocks are written as soon as it is up
  await programs.until('there are blocks', async () => (await metric('cqed_store_blocks')) > 0, { part: cqed.program })

  const answer = await fetch(`${cqed.url}/api/v1/admin/tsdb/snapshot`, { method: 'POST' })
  assert.equal(answer.status, 200)
  const { name } = (await answer.json()).data
  const snapshot = join(folder, 'data', 'snapshots', name)

  const ids = blocks(snapshot)
  assert.ok(ids.length >= 2, 'a block, and the head')
  const listed = promtool('list', snapshot)
  for (const id of ids) {
    assert.ok(listed.includes(id))
    assert.match(promtool('analyze', snapshot, id), /Label names: \d+\n/)
  }
  const lines = promtool('dump', snapshot).trimEnd().split('\n')
  const floats = (HOURS * 32 + 2) * (HOUR / STEP)
  assert.equal(lines.filter(line => !line.includes('shop_native')).length, floats)
  assert.equal(new Set(lines).size, lines.length, 'no sample is there twice')

  prometheus = await startPrometheus(snapshot)
  const start = begin / 1000, end = begin / 1000 + HOURS * 3600
  for (const query of ['shop_orders_total', 'shop_awkward', 'shop_noise', 'shop_gone', 'sum by (code) (rate(shop_orders_total[5m]))',
    '{note=~"ü.*",code!="500"}', 'count({__name__=~"shop_.+",route!~"/r/1.*",__name__!="shop_native"})'])
    await compare('query_range', { query, start, end, step: 97 })
  for (const [query, times] of [['histogram_count(shop_native)', 7], ['histogram_sum(shop_native)', 12.5]]) {
    const [{ values }] = await ask(prometheus.url, 'query_range', { query, start, end: end - 60, step: 60 })
    assert.deepEqual(values.map(([, v]) => Number(v)), Array.from({ length: HOURS * 60 }, (_, k) => times * (1 + (k % 300))), query)
  }
  for (let h = 1; h <= HOURS; h++) // every sample, an hour at a time
    await compare('query', { query: '{__name__=~"shop_(orders_total|noise|awkward)"}[1h]', time: start + h * 3600 - 0.001 })
  await compare('labels', {})
  await compare('label/route/values', {})
  await programs.end(prometheus.program)
})

test('cqed query reads the blocks of a Prometheus, damaged ones left out', { timeout: 30_000 }, () => {
  const minutes = 8 * 60, from = begin / 1000
  const lines = ['# TYPE api_requests counter']
  for (let i = 0; i < 25; i++)
    for (let k = 0; k < minutes; k++) lines.push(`api_requests_total{i="${i}",parity="${i % 2 ? 'odd' : 'even'}"} ${k * i * 1.5} ${from + k * 60}`)
  writeFileSync(join(folder, 'backfill.txt'), lines.join('\n') + '\n# EOF\n')
  promtool('create-blocks-from', 'openmetrics', join(folder, 'backfill.txt'), join(folder, 'theirs'))
  const theirs = join(folder, 'theirs')
  const query = (expression, at) => JSON.parse(execFileSync(binary, ['query', '--json', '--data', theirs, '--at', String(at), expression],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })).data.result
  const all = 'sum by (parity) (count_over_time(api_requests_total[9h]))'
  const counted = () => Object.fromEntries(query(all, from + minutes * 60).map(({ metric, value }) => [metric.parity, Number(value[1])]))
  assert.deepEqual(counted(), { even: 13 * minutes, odd: 12 * minutes })
  const [{ values }] = query('api_requests_total{i="7"}[20h]', from + minutes * 60)
  assert.deepEqual(values, Array.from({ length: minutes }, (_, k) => [from + k * 60, String(k * 7 * 1.5)]))
  assert.equal(query('increase(api_requests_total{i="1"}[2h])', from + 4 * 3600)[0].value[1], '180')

  const [first] = blocks(theirs), path = join(theirs, first, 'chunks', '000001')
  const bytes = readFileSync(path)
  for (let at = 20; at < bytes.length; at += 50) bytes[at] ^= 1
  writeFileSync(path, bytes)
  const left = counted()
  assert.ok(left.odd > 0 && left.odd < 12 * minutes, JSON.stringify(left))
  assert.ok(blocks(theirs).includes(first), 'a folder that is not ours stays as it is')
})

test('deleted series are gone, and the switch turns the API off', { timeout: 30_000 }, async () => {
  const admin = (path, parameters = {}) =>
    fetch(`${cqed.url}/api/v1/admin/tsdb/${path}?${new URLSearchParams(parameters)}`, { method: 'POST' })
  const count = async query => Number((await ask(cqed.url, 'query', { query, time: (begin + HOURS * HOUR) / 1000 }))[0]?.value[1] ?? 0)
  const orders = `sum(count_over_time(shop_orders_total[${HOURS}h]))`
  assert.equal((await admin('delete_series')).status, 400)
  assert.equal((await admin('delete_series', { 'match[]': 'shop_orders_total{code="500"}' })).status, 204)
  assert.equal((await admin('delete_series', { 'match[]': 'shop_orders_total', end: begin / 1000 + 3600 - 60 })).status, 204)
  assert.equal(await count(orders), 20 * (HOURS - 1) * 60)
  const before = await metric('cqed_store_block_bytes')
  assert.equal((await admin('clean_tombstones')).status, 204)
  assert.ok((await metric('cqed_store_block_bytes')) < before)
  assert.equal(await count(orders), 20 * (HOURS - 1) * 60)
  await cqed.kill9()

  configure('')
  await cqed.start()
  assert.equal(await count(orders), 20 * (HOURS - 1) * 60)
  assert.equal((await admin('snapshot')).status, 503)
  await cqed.stop()
})
