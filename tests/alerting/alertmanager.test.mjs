// Rules of a real `cqed serve`, told to two clustered Alertmanagers of Debian, which tell a webhook: once. The program
// is killed on the way, and `for` goes on where it was.
//
//     CQED=build/asan/cqed node --test tests/alerting/

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { freePorts, Programs, sleep } from '../../demo/lib/programs.mjs'
import { binary } from '../e2e/setup.mjs'

const folder = join(dirname(binary), 'e2e', 'alerting')
let programs, cqed, exporter, receiver, managers
let broken = 1
const notifications = [] // of the webhook

const listen = handler => new Promise(resolve => {
  const server = createServer(handler).listen(0, '127.0.0.1', () => resolve(server))
})

async function startManagers(webhook) {
  writeFileSync(join(folder, 'alertmanager.yml'), `
route: { receiver: hook, group_by: [alertname], group_wait: 200ms, group_interval: 1s, repeat_interval: 4h }
receivers: [ { name: hook, webhook_configs: [ { url: 'http://127.0.0.1:${webhook}/', send_resolved: true } ] } ]
`)
  const [a, b, clusterA, clusterB] = await freePorts(4)
  const start = (name, port, cluster, peer) => {
    const program = programs.start(name, 'prometheus-alertmanager', [
      '--config.file=alertmanager.yml', `--storage.path=${name}-data`, `--web.listen-address=127.0.0.1:${port}`,
      `--cluster.listen-address=127.0.0.1:${cluster}`, ...(peer ? [`--cluster.peer=127.0.0.1:${peer}`] : []),
      '--cluster.settle-timeout=0s', '--cluster.peer-timeout=3s', '--cluster.gossip-interval=50ms',
    ])
    return { name, url: `http://127.0.0.1:${port}`, program }
  }
  managers = [start('am-a', a, clusterA, null), start('am-b', b, clusterB, clusterA)]
  for (const m of managers)
    await programs.until(`${m.name} sees the other`, async () => {
      const status = await fetch(`${m.url}/api/v2/status`).then(r => r.json()).catch(() => null)
      return status?.cluster?.peers?.length === 2
    }, { part: m.program, timeoutMs: 15_000 })
}

function configure() {
  writeFileSync(join(folder, 'rules.yml'), `
groups:
  - name: shop
    interval: 200ms
    rules:
      - { record: 'shop:broken:max', expr: max(shop_broken) }
      - alert: Broken
        expr: shop:broken:max == 1
        for: 600ms
        labels: { severity: page }
        annotations: { summary: 'broken is {{ $value | humanize }} in {{ $externalLabels.region }}' }
      - { alert: Waiting, expr: 'shop_broken == 1', for: 1h }
      - { alert: Mistaken, expr: 'shop_broken + on () {__name__=~"shop_.+"}' }
`)
  writeFileSync(join(folder, 'cqed.yaml'), `
storage: { path: data, flush: 50ms }
global: { scrape_interval: 200ms, scrape_timeout: 150ms, external_labels: { region: eu, replica: one } }
externalUrl: http://cqed.example.org/
rules: { resendDelay: 2s, forGracePeriod: 0s }
rule_files: [ rules.yml ]
alerting:
  alert_relabel_configs: [ { action: labeldrop, regex: replica } ]
  alertmanagers: [ { static_configs: [ { targets: [ ${managers.map(m => new URL(m.url).host).join(', ')} ] } ] } ]
scrape_configs: [ { job_name: shop, static_configs: [ { targets: [ '127.0.0.1:${exporter.address().port}' ] } ] } ]
`)
}

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  exporter = await listen((request, response) => {
    response.setHeader('Content-Type', 'text/plain; version=0.0.4')
    response.end(`shop_broken ${broken}\nshop_other 1\nshop_other{a="b"} 1\n`)
  })
  receiver = await listen((request, response) => {
    let body = ''
    request.on('data', part => { body += part })
    request.on('end', () => {
      notifications.push(JSON.parse(body))
      response.end('{}')
    })
  })
  await startManagers(receiver.address().port)
  configure()
  cqed = new Cqed(programs, { binary, config: 'cqed.yaml' })
  await cqed.start()
})

after(async () => {
  for (const server of [exporter, receiver]) {
    server?.closeAllConnections()
    server?.close()
  }
  await programs.endAll()
  const log = readFileSync(join(folder, 'cqed.log'), 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
})

const told = (name, status) => notifications.filter(n => n.groupLabels.alertname === name && n.status === status)
const data = async path => (await cqed.get(path)).data
const alertsOf = async name => (await data('/api/v1/alerts')).alerts.filter(a => a.labels.alertname === name)
const until = (what, ask, timeoutMs = 15_000) => programs.until(what, ask, { part: cqed.program, timeoutMs })

test('an alert that fires reaches people once, through both Alertmanagers', async () => {
  await until('Broken is told', () => told('Broken', 'firing').length > 0)
  const [first] = told('Broken', 'firing')
  assert.deepEqual(first.alerts[0].labels, { alertname: 'Broken', severity: 'page', region: 'eu' })
  assert.deepEqual(first.alerts[0].annotations, { summary: 'broken is 1 in eu' })
  assert.match(first.alerts[0].generatorURL, /^http:\/\/cqed\.example\.org\/graph\?g0\.expr=shop%3Abroken%3Amax\+%3D%3D\+1&g0\.tab=1$/)
  for (const m of managers)
    await until(`${m.name} holds it`, async () => {
      const alerts = await fetch(`${m.url}/api/v2/alerts`).then(r => r.json())
      return alerts.some(a => a.labels.alertname === 'Broken' && Date.parse(a.endsAt) > Date.now())
    })
  await sleep(4500) // longer than the second one waits for the first, and than two resends
  assert.equal(told('Broken', 'firing').length, 1)
})

test('the API tells what Prometheus would', async () => {
  const { groups } = await data('/api/v1/rules?type=alert&rule_name[]=Broken')
  assert.equal(groups.length, 1)
  assert.equal(groups[0].rules.length, 1)
  const [rule] = groups[0].rules
  assert.equal(rule.state, 'firing')
  assert.equal(rule.health, 'ok')
  assert.equal(rule.query, 'shop:broken:max == 1')
  assert.equal(rule.alerts[0].value, '1e+00')
  assert.equal((await data('/api/v1/rules?type=record')).groups[0].rules[0].name, 'shop:broken:max')
  const mistaken = (await data('/api/v1/rules?rule_name[]=Mistaken')).groups[0].rules[0]
  assert.equal(mistaken.health, 'err')
  assert.match(mistaken.lastError, /many-to-many|multiple matches|duplicate/)
  assert.deepEqual((await data('/api/v1/alertmanagers')).activeAlertmanagers.map(m => m.url).sort(),
    managers.map(m => `${m.url}/api/v2/alerts`).sort())
  const series = (await data('/api/v1/query?query=ALERTS')).result.map(s => s.metric)
  assert.ok(series.some(s => s.alertname === 'Broken' && s.alertstate === 'firing' && s.severity === 'page'))
  assert.ok(series.some(s => s.alertname === 'Waiting' && s.alertstate === 'pending'))
  const metrics = await cqed.get('/metrics')
  assert.match(metrics, /^cqed_alerts_sent_total [1-9]/m)
  assert.match(metrics, /^cqed_rule_failures_total [1-9]/m)
})

test('`for` goes on after a kill, and nobody is told again', async () => {
  const [waiting] = await alertsOf('Waiting')
  const killed = Date.now()
  await cqed.kill9()
  await sleep(1000)
  await cqed.start()
  const restarted = Date.now()
  let back
  await until('Waiting is restored', async () => {
    [back] = await alertsOf('Waiting')
    return back && Date.parse(back.activeAt) < killed
  })
  const shift = Date.parse(back.activeAt) - Date.parse(waiting.activeAt)
  assert.ok(shift > -1000 && shift < restarted - killed + 2500, `activeAt moved by ${shift} ms`)
  await until('Broken fires again', async () => (await alertsOf('Broken'))[0]?.state === 'firing')
  assert.equal(told('Broken', 'firing').length, 1)
})

test('what is resolved is told, and its series end', async () => {
  broken = 0
  await until('Broken is resolved', () => told('Broken', 'resolved').length > 0)
  assert.equal(told('Broken', 'firing').length, 1)
  assert.deepEqual((await data('/api/v1/query?query=ALERTS{alertname="Broken"}')).result, [])
  assert.deepEqual(await alertsOf('Broken'), [])
})

test('an Alertmanager that is down holds up no other; rules that are removed end their series', async () => {
  const [, b] = managers
  await programs.end(b.program)
  broken = 1
  await until('Broken is told through the other', () => told('Broken', 'firing').length === 2)
  writeFileSync(join(folder, 'rules.yml'), 'groups: []\n')
  cqed.program.child.kill('SIGHUP')
  await until('the rules are gone', async () => (await data('/api/v1/rules')).groups.length === 0)
  await until('their series end', async () => (await data('/api/v1/query?query=shop:broken:max')).result.length === 0)
  await until('the other is missed', () => /takes no alerts/.test(readFileSync(join(folder, 'cqed.log'), 'utf8')))
})
