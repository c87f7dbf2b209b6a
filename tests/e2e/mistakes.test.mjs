// What a newcomer gets wrong, each answered with what to do: the thing, the value and the place.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { Programs, sleep } from '../../demo/lib/programs.mjs'
import { binary, closeSound, edit, folderOf, stageOf } from './setup.mjs'

describe('before anything runs', () => {
  const folder = folderOf('mistakes')
  let cqed
  before(() => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    cqed = new Cqed(new Programs(folder), { binary })
  })

  /** It must not run, and say why. */
  async function refuses(args, ...says) {
    const { code, out, err } = await cqed.cli(args, { timeoutMs: 10_000 })
    assert.notEqual(code, 0, `it ran: ${out}${err}`)
    assert.equal(typeof code, 'number', `it did not end by itself: ${code}\n${out}${err}`)
    for (const pattern of says) assert.match(out + err, pattern)
    assert.doesNotMatch(err, /Sanitizer|runtime error/)
  }
  const write = (name, text) => writeFileSync(join(folder, name), text)

  test('a missing configuration file', () => refuses(['serve', '-c', 'nope.yaml'], /nope\.yaml/, /[Nn]o such file/))

  test('a port that is in use', async () => {
    const server = createServer()
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${server.address().port}`
    await refuses(['serve', '--listen', address, '--data', 'data-port'], new RegExp(address), /in use/)
    server.close()
  })

  test('an address that is none', () => refuses(['serve', '--listen', 'everywhere', '--data', 'data-address'], /everywhere/))

  test('bad YAML', async () => {
    write('bad.yaml', 'storage: { path: data\nscrape_configs: []\n')
    await refuses(['check', 'bad.yaml'], /bad\.yaml:\d+:\d+/)
    await refuses(['serve', '-c', 'bad.yaml', '--listen', '127.0.0.1:0'], /bad\.yaml:\d+:\d+/)
  })

  test('an unknown key', async () => {
    write('key.yaml', 'storrage: { path: data }\n')
    await refuses(['check', 'key.yaml'], /key\.yaml:1:1/, /storrage/, /did you mean 'storage'/)
  })

  test('an unknown SLO', async () => {
    write('slo.yaml', `apiVersion: cqed/v1
kind: Gate
metadata: { name: g }
spec:
  service: shop
  evidence: [{ slo: shop-avilability }]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: shop-availability }
spec:
  service: shop
  budgetingMethod: Occurrences
  indicator:
    metadata: { name: i }
    spec:
      ratioMetric:
        counter: true
        bad: { metricSource: { type: Prometheus, spec: { query: 'errors_total' } } }
        total: { metricSource: { type: Prometheus, spec: { query: 'requests_total' } } }
  timeWindow: [{ duration: 28d, isRolling: true }]
  objectives: [{ target: 0.99 }]
`)
    await refuses(['check', 'slo.yaml'], /slo\.yaml:\d+/, /shop-avilability/, /did you mean 'shop-availability'/)
  })

  test('a wrong query', async () => {
    write('query.yaml', `apiVersion: cqed/v1
kind: Gate
metadata: { name: g }
spec:
  service: shop
  evidence: [{ name: q, query: 'sum(rate(x_total[5m])', below: 1 }]
`)
    await refuses(['check', 'query.yaml'], /query\.yaml:\d+/, /sum\(rate/)
  })

  test('several mistakes are told at once', async () => {
    write('many.yaml', 'listn: 1\nstorage: { pth: x }\n')
    await refuses(['check', 'many.yaml'], /listn/, /pth/)
  })

  test('nobody answers where the command line asks', () =>
    refuses(['rollout', 'list', '--server', 'http://127.0.0.1:1'], /127\.0\.0\.1:1/, /serve|running|refused/))

  test('a command that does not exist', () => refuses(['rolout', 'list'], /rolout/, /did you mean/))
})

/** Announce a version and wait until the rollout says something like this. */
async function announced(stage, deployment, says, timeoutMs = 15_000) {
  const { id } = await stage.cqed.announce({ service: 'shop', author: 'ci', changeKind: 'normal', stableVersion: 'v1', ...deployment }, `k-${Date.now()}`)
  return stage.programs.until(`the rollout says ${says}`, async () => {
    const rollout = await stage.cqed.rollout(id)
    const said = rollout.reasons.map(r => r.sentence).join('\n')
    if (says.test(said)) return rollout
    throw new Error(said)
  }, { part: stage.cqed.program, timeoutMs, everyMs: 200 })
}

describe('a wrong path of the socket', () => {
  let stage
  before(async () => {
    stage = stageOf('wrong-socket', folder => edit(join(folder, 'rollout.yaml'), ['socket: haproxy.sock', 'socket: haprox.sock']))
    await stage.openProxy()
    await stage.cqed.start()
    await stage.openShop()
    stage.startTraffic(50)
    await stage.telemetryOf('v1')
  })
  after(() => closeSound(stage))

  test('the rollout does not start, and says which path and why', async () => {
    const rollout = await announced(stage, { version: 'v2' }, /cannot start.*haprox\.sock.*[Nn]o such file/s)
    assert.equal(rollout.state.state, 'waiting')
    assert.equal(rollout.state.desiredPct, 0)
  })

  test('an unknown service is refused by name', () =>
    assert.rejects(stage.cqed.announce({ service: 'shopp', version: 'v2', stableVersion: 'v1', author: 'ci', changeKind: 'normal' }, 'k'),
      error => error.status >= 400 && error.status < 500 && /shopp/.test(error.message)))
})

describe('a service without telemetry', () => {
  let stage
  before(async () => {
    stage = stageOf('no-telemetry', folder =>
      edit(join(folder, 'cqed.yaml'), ['scrape_timeout: 900ms', 'scrape_timeout: 900ms\n    metrics_path: /metrcs']))
    await stage.openProxy()
    await stage.cqed.start()
    await stage.openShop()
  })
  after(() => closeSound(stage))

  test('the rollout does not start, and says what to look at', async () => {
    const rollout = await announced(stage, { version: 'v2' }, /no telemetry of shop has been seen; check its targets and selectors/)
    assert.equal(rollout.state.state, 'waiting')
  })

  test('the target says what it answers', () => stage.programs.until('the target is down for that reason', async () => {
    const { data } = await stage.cqed.get('/api/v1/targets')
    const [target] = data.activeTargets
    return target.health === 'down' && target.scrapeUrl.endsWith('/metrcs') && /404/.test(target.lastError)
  }, { part: stage.cqed.program }))
})

describe('HAProxy goes down', () => {
  let stage
  before(async () => {
    stage = stageOf('proxy-down', folder => edit(join(folder, 'rollout.yaml'), ['timeout: 10s', 'timeout: 2s'], ['maxAge: 5s', 'maxAge: 60s']))
    await stage.openProxy()
    await stage.cqed.start()
    await stage.openShop()
    stage.startTraffic(150)
    await stage.telemetryOf('v1')
    await sleep(2000)
  })
  after(() => closeSound(stage))

  test('the rollout pauses, says why, and goes on when it is back, with the weight it had', async () => {
    const { id } = await stage.release('v2', 'healthy')
    const follow = (what, test) => stage.programs.until(what, async () => {
      const rollout = await stage.cqed.rollout(id)
      return test(rollout) ? rollout : null
    }, { part: stage.cqed.program, timeoutMs: 20_000, everyMs: 100 })
    await follow('it is in force', r => r.state.stepSinceMs > 0)
    await stage.traffic.stop() // nobody can be served
    await stage.haproxy.stop()
    const paused = await follow('it pauses', r => r.state.state === 'paused' && r.state.pauseCode === 'actuator')
    assert.match(paused.reasons.map(r => r.sentence).join('\n'), /haproxy\.sock/)
    const weight = paused.state.desiredPct
    await stage.haproxy.start() // its configuration says canary 0, disabled
    for (const slot of ['stable', 'canary']) await stage.shop.point(slot, stage.shop.slots[slot])
    await stage.programs.until('the weight is put right', async () => Math.abs((await stage.haproxy.canaryPct()) - weight) < 0.5,
      { part: stage.cqed.program })
    await follow('it goes on', r => r.state.pauseCode !== 'actuator')
  })
})
