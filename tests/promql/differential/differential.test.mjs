// The same data and generated questions to cQED and to Debian's Prometheus: the same answers, or both refuse. SEED and
// QUERIES choose others than the usual ones; a failure prints what to ask again.
//
// PEER=FILE takes a Prometheus 3 instead (tests/promql/differential/prometheus3 builds one): then also native histograms, what
// is experimental, samples at the edges of windows, and every warning and info must be the same.

import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed, Prometheus } from '../../../bench/lib/servers.mjs'
import { Programs } from '../../../demo/lib/programs.mjs'
import { binary, folderOf } from '../../e2e/setup.mjs'
import { ask, difference } from './compare.mjs'
import { random, SAMPLES, series, STEP_MS } from './data.mjs'
import { Generator } from './generate.mjs'
import { Generator3, series3 } from './generate3.mjs'
import { write } from './proto.mjs'

const seed = Number(process.env.SEED ?? 20261124)
const count = Number(process.env.QUERIES ?? 400)
const peer = process.env.PEER
const folder = folderOf('promql-differential')
const endMs = Math.floor(Date.now() / STEP_MS) * STEP_MS - STEP_MS
const firstMs = endMs - (SAMPLES - 1) * STEP_MS + (peer ? 0 : 3217 - STEP_MS)
const features = ['promql-experimental-functions', 'promql-duration-expr', 'promql-delayed-name-removal',
  'promql-extended-range-selectors', 'promql-binop-fill-modifiers']
const servers = []
let programs

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs = new Programs(folder)
  servers.push(new Cqed(programs, join(folder, 'cqed'), { binary, scrape: [], slos: [] }),
    new Prometheus(programs, join(folder, 'prometheus'), { scrape: [], receive: true, program: peer, features: peer ? features : [] }))
  for (const server of servers) {
    await server.start()
    await write(server.url, [...series(seed), ...(peer ? series3(seed) : [])], firstMs, STEP_MS)
  }
})

after(async () => {
  for (const server of servers) await server.stop()
})

/** A time, or a range, in the last hour; with 2.42 so that no subquery's step is at an edge. */
function moment(generator) {
  const end = endMs / 1000 - generator.int(3000) - (peer ? 0 : 0.5)
  return generator.int(2) ? { time: end } : { start: end - 1800, end, step: generator.of([30, 60, 77]) }
}

test(`${count} generated queries of seed ${seed}`, async () => {
  const generator = new (peer ? Generator3 : Generator)(random(seed))
  const wrong = []
  let answered = 0
  for (let i = 0; i < count; i++) {
    const query = generator.vector(3), when = moment(generator)
    const [ours, theirs] = await Promise.all(servers.map(s => ask(s, query, when)))
    const what = difference(ours, theirs, { notes: Boolean(peer) })
    if (what) wrong.push(`${query}\n    ${JSON.stringify(when)}\n    ${what}`)
    answered += theirs.status === 200 && theirs.data.result.length > 0 ? 1 : 0
  }
  assert.deepEqual(wrong, [], `${wrong.length} of ${count} differ:\n${wrong.slice(0, 20).join('\n')}`)
  assert.ok(answered > count / 2, `only ${answered} of ${count} queries had a value: they show little`)
})
