// kill -9 at random moments of rollouts: while starting, stepping up, promoting, rolling back, announcing. After each
// restart the ledger verifies and replays, HAProxy has the weight that the ledger last allowed, every announcement that
// was acknowledged is there once, and no acknowledged sample is lost.
//
//     CRASH_SEED=7 CRASHES=50 CQED=build/asan/cqed node --test tests/crash/
//
// The log promises this for samples older than the flush interval when the machine dies; a killed process loses none
// that it acknowledged (docs/format/wal.md), and so none is forgiven here.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sleep } from '../../demo/lib/programs.mjs'
import { isFinal } from '../../demo/lib/follow.mjs'
import { closeSound, stageOf } from '../e2e/setup.mjs'

const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1e6)
const crashes = Number(process.env.CRASHES ?? 50)

/** Mulberry32: small, seeded, good enough to pick moments. */
let dice = seed >>> 0
function random() {
  dice = (dice + 0x6d2b79f5) >>> 0
  let t = Math.imul(dice ^ (dice >>> 15), 1 | dice)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

let stage

// --- A client that counts: each acknowledged sample is remembered ---

const acknowledged = [] // { atMs, value }
let counting = true

function otlp(atMs, value) {
  const time = String(atMs * 1e6)
  const point = { asDouble: value, startTimeUnixNano: String((startMs - 1000) * 1e6), timeUnixNano: time, attributes: [] }
  const histogram = { count: value, scale: 3, positive: { offset: 1, bucketCounts: [value] }, timeUnixNano: time }
  return {
    resourceMetrics: [{
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'crash' } }] },
      scopeMetrics: [{ metrics: [
        { name: 'crash.count', sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [point] } },
        { name: 'crash.size', exponentialHistogram: { aggregationTemporality: 2, dataPoints: [histogram] } },
      ] }],
    }],
  }
}

const startMs = Date.now()
async function count() {
  for (let value = 1; counting; value++) {
    const atMs = Date.now()
    try {
      const answer = await stage.cqed.post('/v1/metrics', otlp(atMs, value))
      if (Number(answer.partialSuccess?.rejectedDataPoints ?? 0) === 0) acknowledged.push({ atMs, value })
    } catch {
      // not acknowledged: it may be there or not
    }
    await sleep(10)
  }
}

async function lostSamples() {
  const promised = acknowledged.slice()
  const seconds = Math.ceil((Date.now() - startMs) / 1000) + 60
  const range = async name => (await stage.cqed.get(`/api/v1/query?query=${encodeURIComponent(`${name}[${seconds}s]`)}`)).data.result
  const byTime = pairs => new Map(pairs.map(([t, v]) => [Math.round(1000 * t), Number(v)]))
  const counts = byTime((await range('crash_count_total')).flatMap(series => series.values))
  const sizes = byTime((await range('crash_size')).flatMap(series => series.histograms.map(([t, h]) => [t, h.count])))
  return promised.filter(({ atMs, value }) => counts.get(atMs) !== value || sizes.get(atMs) !== value)
}

// --- A pipeline that delivers one version after the other, asking again with the same key when nobody answered ---

const announced = new Map() // key -> id
let delivering = true

async function deliver() {
  for (let n = 1; delivering; n++) {
    const key = `delivery-${n}`
    const behaviour = n % 2 === 0 ? 'errors' : 'healthy'
    await stage.shop.behave('canary', behaviour)
    while (delivering && !announced.has(key)) {
      try {
        const { id } = await stage.cqed.announce({ service: 'shop', version: 'v2', stableVersion: 'v1', author: 'ci', changeKind: 'normal' }, key)
        announced.set(key, id)
      } catch {
        await sleep(50)
      }
    }
    while (delivering) {
      await sleep(100)
      const rollout = await stage.cqed.rollout(announced.get(key)).catch(() => null)
      if (rollout && isFinal(rollout)) break
    }
  }
}

// --- What the ledger allowed ---

/** The states that these entries allowed, newest first, one a weight; a rollout that was asked for begins at 0. */
function allowedBy(entries) {
  return entries.filter(e => ['decision', 'rollout'].includes(e.kind)).reverse()
    .map(e => (e.kind === 'rollout' ? e.body.state : e.body.decision.state))
    .filter((state, i, all) => i === 0 || state.desiredPct !== all[i - 1].desiredPct)
}

const near = (a, b) => Math.abs(a - b) < 0.5

async function inForce() {
  const last = async () => allowedBy((await stage.cqed.get('/cqed/v1/ledger?from=-100&limit=100')).entries)[0]?.desiredPct ?? 0
  const before = await last()
  const pct = await stage.haproxy.canaryPct()
  return near(pct, before) && before === (await last())
}

before(async () => {
  console.log(`seed ${seed}`)
  stage = stageOf('crash')
  await stage.openProxy()
  await stage.cqed.start()
  await stage.openShop()
  await stage.shop.point('canary', await stage.shop.launch('v2'))
  stage.startTraffic(250)
  await stage.telemetryOf('v1')
  await stage.telemetryOf('v2')
  await sleep(2000)
})
after(() => closeSound(stage))

async function crashAll(died) {
  for (let crash = 1; crash <= crashes; crash++) {
    const where = `seed ${seed}, crash ${crash}`
    await sleep(50 + 1500 * random())
    await stage.cqed.kill9()
    const pct = await stage.haproxy.canaryPct()
    await stage.cqed.start()

    const { entries } = await stage.cqed.get('/cqed/v1/ledger?from=-200&limit=200')
    const start = entries.map(e => e.kind).lastIndexOf('start')
    const allowed = allowedBy(entries.slice(0, start))
    died[allowed[0]?.state ?? 'nothing'] = (died[allowed[0]?.state ?? 'nothing'] ?? 0) + 1
    // The last weight, or the one before it when death came between the ledger and the proxy.
    assert.ok([...allowed.slice(0, 2).map(s => s.desiredPct), ...(allowed.length < 2 ? [0] : [])].some(w => near(w, pct)),
      `${where}: HAProxy had ${pct}% when cQED died, the ledger last allowed ${allowed.slice(0, 2).map(s => s.desiredPct)}%`)

    await stage.programs.until(`${where}: HAProxy has the weight that the ledger last allowed`, inForce,
      { part: stage.cqed.program, timeoutMs: 5000 })
    assert.deepEqual(await lostSamples(), [], `${where}: acknowledged samples are lost`)
    for (const [key, id] of announced)
      assert.equal((await stage.cqed.rollout(id)).id, id, `${where}: ${key} was acknowledged and is gone`)
    for (const command of ['verify', 'replay']) {
      const { code, out, err } = await stage.cqed.cli(['ledger', command, '--data', 'data'])
      assert.equal(code, 0, `${where}: ledger ${command}: ${out}${err}`)
    }
  }
}

test(`kill -9 at ${crashes} random moments, seed ${seed}`, { timeout: 600_000 }, async () => {
  const counter = count()
  const pipeline = deliver()
  const died = {} // how often in which state
  try {
    await crashAll(died)
    await stage.programs.until('one rollout was promoted and one rolled back, in spite of it', async () => {
      const ends = (await stage.cqed.get('/cqed/v1/rollouts')).rollouts.map(r => r.state.state)
      return ends.includes('succeeded') && ends.includes('rolled_back')
    }, { part: stage.cqed.program, timeoutMs: 90_000, everyMs: 200 })
  } finally {
    delivering = counting = false
  }
  await Promise.all([counter, pipeline])

  const { rollouts } = await stage.cqed.get('/cqed/v1/rollouts')
  assert.equal(new Set(rollouts.map(r => r.id)).size, rollouts.length)
  assert.equal(rollouts.length, announced.size, 'a key that was used again made one rollout')
  assert.ok(acknowledged.length > 20 * crashes, `${acknowledged.length} samples were acknowledged`)
  const ends = rollouts.map(r => r.state.state)
  console.log(`${crashes} crashes, last decision before them: ${JSON.stringify(died)}; ${acknowledged.length} samples acknowledged, all there; ` +
    `${rollouts.length} rollouts: ${ends.filter(s => s === 'succeeded').length} succeeded, ${ends.filter(s => s === 'rolled_back').length} rolled back`)
})
