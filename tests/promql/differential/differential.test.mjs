// The same data and generated questions to cQED and to Debian's Prometheus: the same answers, or both refuse. SEED and
// QUERIES choose others than the usual ones; a failure prints what to ask again. PEER names another Prometheus, e.g. a 3.x.

import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cqed, Prometheus } from '../../../bench/lib/servers.mjs'
import { Programs } from '../../../demo/lib/programs.mjs'
import { binary, folderOf } from '../../e2e/setup.mjs'
import { random, SAMPLES, series, STEP_MS, write } from './data.mjs'
import { Generator } from './generate.mjs'

const seed = Number(process.env.SEED ?? 20261124)
const count = Number(process.env.QUERIES ?? 400)
const folder = folderOf('promql-differential')
const endMs = Math.floor(Date.now() / STEP_MS) * STEP_MS - STEP_MS
const firstMs = endMs - (SAMPLES - 1) * STEP_MS + 3217 - STEP_MS
const servers = []
let programs

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs = new Programs(folder)
  servers.push(new Cqed(programs, join(folder, 'cqed'), { binary, scrape: [], slos: [] }),
    new Prometheus(programs, join(folder, 'prometheus'), { scrape: [], receive: true, program: process.env.PEER }))
  for (const server of servers) {
    await server.start()
    await write(server.url, series(seed), firstMs)
  }
})

after(async () => {
  for (const server of servers) await server.stop()
})

async function ask(server, query, when) {
  const response = await fetch(`${server.url}/api/v1/query${'start' in when ? '_range' : ''}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ query, ...when }),
  })
  return { ...await response.json(), status: response.status }
}

/** { labels: { time: value } } of any result. */
function tabulate({ resultType, result }) {
  if (resultType === 'scalar' || resultType === 'string') return { '': { [result[0]]: Number(result[1]) } }
  const rows = {}
  for (const { metric, values, value } of result) {
    const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)))
    rows[key] = Object.fromEntries((values ?? [value]).map(([t, v]) => [t, Number(v.replace('Inf', 'Infinity'))]))
  }
  return rows
}

/** Sums of many terms differ in their last digits, and what is left of a cancellation in more: compare with the terms' size. */
function same(a, b, scale) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b)
  return a === b || Math.abs(a - b) <= 1e-7 * Math.max(Math.abs(a), Math.abs(b)) + 1e-9 * scale
}

function difference(ours, theirs) {
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    if (!ours[key] || !theirs[key]) return `${ours[key] ? 'only cQED' : 'only Prometheus'} has ${key}`
    const scale = Math.max(1, ...Object.values(theirs[key]).filter(Number.isFinite).map(Math.abs))
    for (const t of new Set([...Object.keys(ours[key]), ...Object.keys(theirs[key])]))
      if (!(t in ours[key] && t in theirs[key] && same(ours[key][t], theirs[key][t], scale)))
        return `${key} at ${t}: cQED ${ours[key][t]}, Prometheus ${theirs[key][t]}`
  }
  return null
}

test(`${count} generated queries of seed ${seed}`, async () => {
  const next = random(seed)
  const generator = new Generator(next)
  const wrong = []
  let answered = 0
  for (let i = 0; i < count; i++) {
    const query = generator.vector(3)
    const end = endMs / 1000 - generator.int(3000) - 0.5 // so that no subquery's step is at an edge
    const when = generator.int(2) ? { time: end } : { start: end - 1800, end, step: generator.of([30, 60, 77]) }
    const [ours, theirs] = await Promise.all(servers.map(s => ask(s, query, when)))
    const what = ours.status !== theirs.status && (ours.status >= 500 || theirs.status === 200 || ours.status === 200)
      ? `cQED ${ours.status} ${ours.error ?? ''}, Prometheus ${theirs.status} ${theirs.error ?? ''}`
      : theirs.status === 200 ? difference(tabulate(ours.data), tabulate(theirs.data)) : null
    if (what) wrong.push(`${query}\n    ${JSON.stringify(when)}\n    ${what}`)
    answered += theirs.status === 200 && theirs.data.result.length > 0 ? 1 : 0
  }
  assert.deepEqual(wrong, [], `${wrong.length} of ${count} differ:\n${wrong.slice(0, 20).join('\n')}`)
  assert.ok(answered > count / 2, `only ${answered} of ${count} queries had a value: they show little`)
})
