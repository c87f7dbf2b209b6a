// What one query may take: hostile queries end with a clear error, hold up no ingest and stay within their memory;
// one whose client leaves is ended.
//
//     CQED=build/asan/cqed node --test tests/queries/

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { Programs, sleep } from '../../demo/lib/programs.mjs'
import { binary } from '../e2e/setup.mjs'

const folder = join(dirname(binary), 'e2e', 'queries')
const SERIES = 300
const POINTS = 240 // an hour at 15 s
let programs, cqed

const slowLines = () => readFileSync(join(folder, 'slow.jsonl'), 'utf8').trimEnd().split('\n').filter(Boolean).map(JSON.parse)

async function push(points) {
  const metric = { name: 'm', gauge: { dataPoints: points } }
  return cqed.post('/v1/metrics', { resourceMetrics: [{ resource: { attributes: [] }, scopeMetrics: [{ metrics: [metric] }] }] })
}

const point = (i, ms, v) => ({
  asDouble: v, timeUnixNano: `${ms}000000`, attributes: [{ key: 'i', value: { stringValue: `${i}` } }],
})

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'cqed.yaml'), `
storage: { path: data }
query: { timeout: 20s, maxMemory: 16Mi, maxConcurrency: 2, slowLog: { threshold: 200ms, file: slow.jsonl } }
`)
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
  await cqed.start()
  const now = Date.now()
  for (let k = 0; k < POINTS; k++) {
    const ms = now - (POINTS - k) * 15_000
    await push(Array.from({ length: SERIES }, (_, i) => point(i, ms, i + k)))
  }
})

after(async () => {
  await programs.endAll()
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
})

const range = (query, step, more = {}) => {
  const end = Date.now() / 1000
  return `/api/v1/query_range?${new URLSearchParams({ query, start: end - 3600, end, step, ...more })}`
}

async function failure(path) {
  const response = await fetch(cqed.url + path)
  return { ...await response.json(), http: response.status }
}

// Every pair of series: 90,000 of them, at every step.
const JOIN = 'm * on () group_left () label_replace(m, "j", "$1", "i", "(.*)")'
// Long work in little memory.
const LONG = 'sum(quantile_over_time(0.9, m[1h])) + sum(mad_over_time(m[1h]))'

test('memory over the limit is a clear error', async () => {
  const answer = await failure(range('m', 1))
  assert.equal(answer.http, 422)
  assert.equal(answer.errorType, 'execution')
  assert.match(answer.error, /over 16777216 bytes of memory, the limit \(query\.maxMemory\)/)
  assert.equal((await failure(range(JOIN, 15))).http, 422)
})

test('a timeout is a clear error, and slow queries are noted', async () => {
  const answer = await failure(range(LONG, 1, { timeout: '0.3' }))
  assert.equal(answer.http, 503)
  assert.equal(answer.errorType, 'timeout')
  assert.match(answer.error, /timed out/)
  const line = slowLines().find(l => l.query === LONG)
  assert.ok(line.seconds >= 0.2 && line.kind === 'range' && line.step === 1, JSON.stringify(line))
  assert.match(line.error, /timed out/)
})

test('hostile queries hold up no ingest and stay within their memory', async () => {
  const before = cqed.memory()
  const hostile = [range('m', 1), range(JOIN, 15), range(LONG, 1, { timeout: '2' }), range(LONG, 1, { timeout: '2' }),
    range(LONG, 1, { timeout: '2' }), range(LONG, 1, { timeout: '2' })]
  let running = true
  const queries = Promise.all(hostile.map(path => failure(path))).finally(() => { running = false })
  let most = 0, pushed = 0
  while (running) {
    await push([point(0, Date.now(), 1)])
    pushed++
    most = Math.max(most, cqed.memory())
    await sleep(5)
  }
  const answers = await queries
  assert.ok(answers.every(a => [422, 503].includes(a.http)), JSON.stringify(answers.map(a => a.http)))
  // Two at once, 16 MiB each; sanitizers keep what was freed for a while.
  const slack = binary.includes('release') ? 2 * 16 + 64 : 2 * 16 + 512
  assert.ok(most - before < slack, `memory rose from ${before} to ${most} MiB`)
  assert.ok(pushed > 20, `${pushed} pushes while the queries ran`)
  const { result } = (await cqed.get('/api/v1/query?query=count_over_time(m{i="0"}[10s])')).data
  assert.ok(Number(result[0].value[1]) > 0)
})

test('a query whose client leaves is ended', async () => {
  const asked = `count(m) + ${LONG}`
  const gone = new AbortController()
  const answer = fetch(cqed.url + range(asked, 1, { timeout: '20' }), { signal: gone.signal }).catch(error => error)
  await sleep(600)
  gone.abort()
  await answer
  await programs.until('it is noted', () => slowLines().some(l => l.query === asked), { part: cqed.program, timeoutMs: 10_000 })
  const line = slowLines().find(l => l.query === asked)
  assert.match(line.error, /cancel/)
})
