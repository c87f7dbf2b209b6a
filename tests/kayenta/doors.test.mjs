// The calls of Argo Rollouts' kayenta provider (metricproviders/kayenta/kayenta.go) and of Kayenta's RemoteJudge, made
// by hand as they make them, against a real cQED that has an hour of two versions in its store.

import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed } from '../../demo/lib/cqed.mjs'
import { Programs } from '../../demo/lib/programs.mjs'
import { binary, folderOf } from '../e2e/setup.mjs'

const folder = folderOf('kayenta')
const minutes = 60
const until = Math.floor(Date.now() / 60_000) * 60_000
let cqed, programs

const query = template => ({ type: 'prometheus', customInlineTemplate: `PromQL:${template}` })
const canary = {
  name: 'shop canary',
  applications: ['shop'],
  metrics: [
    { name: 'errors', query: query('shop_errors{version="${scope}"}'), groups: ['correct'], scopeName: 'default', analysisConfigurations: { canary: { direction: 'increase' } } },
    { name: 'saturation', query: query('shop_saturation{version="${scope}", zone="${zone}"}'), groups: ['load'], scopeName: 'default' },
  ],
  classifier: { groupWeights: { correct: 70, load: 30 } },
}

/** A value a minute of both versions; v2 has more errors and the same saturation. */
async function fill() {
  const points = (version, of) => Array.from({ length: minutes + 1 }, (_, i) => ({
    timeUnixNano: `${until - (minutes - i) * 60_000}000000`, asDouble: of(i),
    attributes: [{ key: 'version', value: { stringValue: version } }, { key: 'zone', value: { stringValue: 'eu' } }],
  }))
  const wave = i => 1 + 0.1 * ((i * 37) % 11)
  const gauge = (name, bad) => ({ name, gauge: { dataPoints: [...points('v1', wave), ...points('v2', i => wave(i + 5) * bad)] } })
  const body = { resourceMetrics: [{ scopeMetrics: [{ metrics: [gauge('shop.errors', 1.8), gauge('shop.saturation', 1)] }] }] }
  await cqed.post('/v1/metrics', body)
}

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'shop-canary.json'), JSON.stringify(canary))
  writeFileSync(join(folder, 'cqed.yaml'), 'storage: { path: data }\nkayenta: { canaryConfigs: [ shop-canary.json ] }\n')
  programs = new Programs(folder)
  cqed = new Cqed(programs, { binary, config: join(folder, 'cqed.yaml') })
  await cqed.start()
  await fill()
})

after(async () => {
  await cqed.stop()
  assert.deepEqual(cqed.program.exit, { code: 0, signal: null })
})

const scope = version => ({
  scope: version, region: 'eu', step: 60, extendedScopeParams: { zone: 'eu' },
  start: new Date(until - minutes * 60_000).toISOString(), end: new Date(until).toISOString(),
})
const ask = (control, experiment) => ({
  scopes: { default: { controlScope: scope(control), experimentScope: scope(experiment) } }, thresholds: { pass: 90, marginal: 60 },
})

/** What Argo's provider does, and the three fields that it reads. */
async function analyse(control, experiment) {
  const configs = await cqed.get('/canaryConfig?application=shop&configurationAccountName=store')
  const id = configs.find(c => c.name === 'shop canary').id
  const run = await cqed.post(`/canary/${id}?application=shop&metricsAccountName=prom`, ask(control, experiment))
  const execution = await cqed.get(`/canary/${run.canaryExecutionId}`)
  assert.equal(execution.complete, true)
  return execution.result.judgeResult
}

test('Argo: a version with more errors does not pass', async () => {
  const result = await analyse('v1', 'v2')
  assert.equal(result.score.score, 30)
  assert.equal(result.score.classification, 'Fail')
  assert.deepEqual(result.results.map(r => r.classification), ['High', 'Pass'])
  assert.equal(result.results[0].controlMetadata.stats.count, minutes + 1)
  assert.equal(result.results[0].resultMetadata.cqed.verdict, 'fail')
})

test('Argo: a version that is as it was passes', async () => {
  const result = await analyse('v1', 'v1')
  assert.equal(result.score.score, 100)
  assert.equal(result.score.classification, 'Pass')
})

test('Argo: an application that no configuration is of has none', async () => {
  assert.deepEqual(await cqed.get('/canaryConfig?application=other'), [])
  assert.deepEqual(await cqed.get('/canaryConfig/shop-canary'), canary)
})

test('Spinnaker: RemoteJudge sends values and gets a CanaryJudgeResult', async () => {
  const values = Array.from({ length: 60 }, (_, i) => 1 + ((i * 7) % 10) / 10)
  const result = await cqed.post('/judge', {
    canaryConfig: { ...canary, judge: { name: 'RemoteJudge-v1.0', judgeConfigurations: {} } },
    scoreThresholds: { pass: 90, marginal: 60 },
    metricSetPairList: [{ name: 'errors', id: 'x', tags: {}, values: { control: values, experiment: values.map(v => v * 2) } }],
  })
  assert.equal(result.judgeName, 'RemoteJudge-v1.0')
  assert.equal(result.score.classification, 'Fail')
  assert.equal(result.results[0].id, 'x')
})

test('mistakes are answered with their place', async () => {
  await assert.rejects(cqed.post('/canary/nope', ask('v1', 'v2')), /no canary configuration 'nope'/)
  await assert.rejects(cqed.get('/canary/0000'), /no canary execution '0000'/)
  await assert.rejects(cqed.post('/judge', {}), /canaryConfig must be an object/)
  const wrong = ask('v1', 'v2')
  wrong.scopes.default.controlScope.start = 'yesterday'
  await assert.rejects(cqed.post('/canary/shop-canary', wrong), /scopes\.default\.controlScope\.start 'yesterday'/)
  const unnamed = ask('v1', 'v2')
  delete unnamed.scopes.default.controlScope.extendedScopeParams
  await assert.rejects(cqed.post('/canary/shop-canary', unnamed), /metric "saturation".*\$\{zone\}/)
})

test('a canary has the limits of a query', async () => {
  const place = join(folder, 'small')
  const small = join(folder, 'small.yaml')
  mkdirSync(place, { recursive: true })
  writeFileSync(small, 'storage: { path: small/data }\nquery: { maxSamples: 10 }\nkayenta: { canaryConfigs: [ shop-canary.json ] }\n')
  const whole = cqed
  cqed = new Cqed(new Programs(place), { binary, config: small })
  try {
    await cqed.start()
    await fill()
    await assert.rejects(cqed.post('/canary/shop-canary', ask('v1', 'v2')), /metric "errors".*10/)
  } finally {
    await cqed.stop()
    cqed = whole
  }
})
