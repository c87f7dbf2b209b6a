// Our engine over the series of a real Prometheus: the same questions to both, and rules that bring its series home.
//
//     CQED=build/asan/cqed node --test tests/remote_read/

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { freePorts, Programs } from '../../demo/lib/programs.mjs'
import { binary } from '../e2e/setup.mjs'

const folder = join(dirname(binary), 'e2e', 'remote-read')
let programs, program, cqed, prometheus, exporter
let scrapes = 0

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  exporter = createServer((request, response) => {
    scrapes++
    response.setHeader('Content-Type', 'text/plain; version=0.0.4')
    const lines = ['# TYPE shop_orders_total counter']
    for (let i = 0; i < 20; i++) lines.push(`shop_orders_total{code="${i % 4 ? 200 : 500}",route="/r/${i}"} ${scrapes * (i + 1)}`)
    response.end(lines.join('\n') + '\n')
  })
  await new Promise(resolve => exporter.listen(0, '127.0.0.1', resolve))
  const [port] = await freePorts(1)
  prometheus = `http://127.0.0.1:${port}`
  writeFileSync(join(folder, 'prometheus.yml'), `
global: { scrape_interval: 250ms, scrape_timeout: 200ms }
scrape_configs: [ { job_name: shop, static_configs: [ { targets: [ '127.0.0.1:${exporter.address().port}' ] } ] } ]
`)
  writeFileSync(join(folder, 'rules.yml'), `
groups:
  - name: home
    source: main
    interval: 200ms
    rules: [ { record: 'code:shop_orders:sum', expr: 'sum by (code) (shop_orders_total)' } ]
`)
  const gate = (name, source, query) => `
apiVersion: cqed/v1
kind: Gate
metadata: { name: ${name} }
spec: { evidence: [ { name: q, query: '${query}', above: 0, source: ${source} } ], telemetry: { maxAge: 4s } }
`
  writeFileSync(join(folder, 'slo.yaml'), `
apiVersion: openslo/v1
kind: SLO
metadata: { name: orders }
spec:
  service: shop
  budgetingMethod: Occurrences
  indicator:
    metadata: { name: orders }
    spec:
      ratioMetric:
        counter: true
        bad: { metricSource: { type: Prometheus, spec: { query: 'shop_orders_total{code="500"}', source: main } } }
        total: { metricSource: { type: Prometheus, spec: { query: shop_orders_total, source: main } } }
  objectives: [ { target: 0.5 } ]
`)
  writeFileSync(join(folder, 'gate.yaml'), [gate('far', 'main', 'count(shop_orders_total)'), gate('none', 'main', 'nothing'), gate('dead', 'nobody', 'up')].join('---'))
  writeFileSync(join(folder, 'cqed.yaml'), `
storage: { path: data }
rule_files: [ rules.yml ]
policies: [ gate.yaml, slo.yaml ]
telemetry:
  sources:
    - { name: main, remoteRead: '${prometheus}/api/v1/read', timeout: 5s }
    - { name: nobody, remoteRead: 'http://127.0.0.1:1/api/v1/read', timeout: 1s }
    - { name: other, remoteRead: '${prometheus}/api/v1/nothing' }
`)
  program = programs.start('prometheus', 'prometheus', [
    '--config.file=prometheus.yml', '--storage.tsdb.path=prometheus-data', `--web.listen-address=127.0.0.1:${port}`,
  ])
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
  await cqed.start()
  await programs.until('Prometheus has scraped', async () => {
    const answer = await ask(prometheus, '/api/v1/query?query=count_over_time(shop_orders_total{route="/r/0"}[1m])').catch(() => null)
    return Number(answer?.data?.result[0]?.value[1]) >= 10
  }, { part: cqed.program, timeoutMs: 20_000 })
})

after(async () => {
  exporter?.closeAllConnections()
  exporter?.close()
  await programs.endAll()
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
})

const ask = (url, path) => fetch(url + path).then(r => r.json())

test('the same questions have the same answers', async () => {
  const time = Date.now() / 1000 - 0.5
  const queries = ['shop_orders_total', 'sum by (code) (shop_orders_total{route=~"/r/1.*",code!="500"})',
    'sum by (code) (delta(shop_orders_total[2s] offset 500ms))', 'count({job="shop"})', 'absent(nothing)']
  for (const query of queries) {
    const text = new URLSearchParams({ query, time })
    const theirs = await ask(prometheus, `/api/v1/query?${text}`)
    const ours = await ask(cqed.url, `/api/v1/query?${text}&source=main`)
    const byLabels = result => result.map(s => [JSON.stringify(Object.entries(s.metric).sort()), Number(s.value[1])]).sort()
    assert.equal(ours.status, 'success', ours.error)
    if (query.includes('delta')) assert.equal(ours.data.result.length, theirs.data.result.length) // 2.x windows are closed
    else assert.deepEqual(byLabels(ours.data.result), byLabels(theirs.data.result), query)
  }
})

test('rules bring its series home', async () => {
  await programs.until('it is recorded', async () => {
    const { data } = await ask(cqed.url, '/api/v1/query?query=code:shop_orders:sum{code="500"}')
    return Number(data.result[0]?.value[1]) > 0
  }, { part: cqed.program, timeoutMs: 10_000 })
  assert.equal((await ask(cqed.url, '/api/v1/query?query=shop_orders_total{cqed_source=""}')).data.result.length, 0)
})

test('a source that does not answer is said so', async () => {
  const nobody = await ask(cqed.url, '/api/v1/query?query=up&source=nobody')
  assert.equal(nobody.errorType, 'internal')
  assert.match(nobody.error, /source 'nobody'/)
  assert.match((await ask(cqed.url, '/api/v1/query?query=up&source=other')).error, /source 'other' .* answers 404/)
  const unknown = await ask(cqed.url, '/api/v1/query?query=up&source=mian')
  assert.equal(unknown.errorType, 'not_found')
  assert.match(unknown.error, /did you mean 'main'/)
})

test('an objective counts what a source has', async () => {
  // Of the routes i = 0..19, each fourth fails, and route i counts i + 1: 45 of 210.
  const slo = await programs.until('it has counted', async () => {
    const { data } = await ask(cqed.url, '/api/v1/query?query=sum(cqed_sli_total{slo="orders"})')
    return Number(data.result[0]?.value[1]) >= 210 && data
  }, { part: cqed.program, timeoutMs: 15_000 })
  assert.ok(slo)
  const { data } = await ask(cqed.url, '/api/v1/query?query=1 - cqed_sli_good_total{slo="orders"} / cqed_sli_total{slo="orders"}')
  assert.ok(Math.abs(Number(data.result[0].value[1]) - 45 / 210) < 1e-9, JSON.stringify(data.result))
  const home = await ask(cqed.url, '/api/v1/query?query=count(shop_orders_total{cqed_source="main"})')
  assert.equal(home.data.result[0].value[1], '20')
})

test('a gate asks a source, and is blind when it falls silent', async () => {
  const look = async name => {
    const { checks: [check] } = await cqed.post(`/cqed/v1/gates/${name}`, {})
    return check
  }
  const until = (name, code) => programs.until(`${name} is ${code}`, async () => {
    const check = await look(name)
    return check.code === code && check
  }, { part: cqed.program, timeoutMs: 12_000 })
  const far = await until('far', 'within_limit')
  assert.equal(far.state, 'pass')
  assert.equal(far.effect, 20)
  assert.equal((await until('none', 'no_data')).state, 'blind')
  const dead = await until('dead', 'source_silent')
  assert.equal(dead.state, 'blind')
  assert.match(dead.sentence, /^no answer: source 'nobody': /)
  await programs.end(program)
  const silent = await until('far', 'source_silent')
  assert.equal(silent.state, 'blind')
})
