// soak.mjs -- does memory stay flat? Drives cQED at half of the maximum that it measures first, by remote write, while a
// part of the series goes and others come every few seconds; event time runs faster than the clock, so that blocks are
// cut and samples leave as they would in half a day. Prints memory over time and a verdict; exits 1 when memory is not
// flat or something did not run.
//
//     node bench/soak.mjs        MINUTES=5 SERIES=100000 CHURN=5 (percent each 10 s) HOURS=12 (of event time) BUILD=build
//
// Flat: the last fifth of the run holds at most a tenth more than the middle fifth, and 16 MiB more for noise. What is
// held is anonymous memory, as `storage.memory` counts it: a compaction maps its blocks, which shows as resident only.

import { mkdirSync, rmSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Programs, tailOf } from '../demo/lib/programs.mjs'
import { anonymousBytes, machine, median, residentBytes } from './lib/measure.mjs'
import { Cqed } from './lib/servers.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = process.env.BUILD ?? join(root, 'build')
const minutes = Number(process.env.MINUTES ?? 5)
const series = Number(process.env.SERIES ?? 100_000)
const churn = Number(process.env.CHURN ?? 5)
const hours = Number(process.env.HOURS ?? 12)
const GENERATION_S = 10

const folder = join(build, 'bench/soak')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const programs = new Programs(folder)
const cqed = new Cqed(programs, join(folder, 'cqed'), { binary: join(build, 'cqed'), scrape: [], slos: [] })

/** One run of the generator; its one line of JSON. */
function load(options) {
  const args = [`${cqed.url}/api/v1/write`, '--series', series, ...Object.entries(options).flatMap(([k, v]) => [`--${k}`, v])]
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'bench/bench_load'), args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', bytes => { out += bytes })
    child.on('error', reject)
    child.on('close', () => out ? resolve(JSON.parse(out)) : reject(new Error('the generator said nothing')))
  })
}

async function metric(name) {
  const text = await (await fetch(`${cqed.url}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1] ?? NaN)
}

const mib = bytes => bytes / 2 ** 20

async function run() {
  await cqed.start()
  let next = Date.now() - hours * 3600_000
  const fastest = await load({ seconds: GENERATION_S, start: next, step: 1000 })
  const rate = Math.round(fastest.samples / fastest.seconds / 2)
  const passes = Math.max(1, rate * minutes * 60 / series)
  next = fastest.lastMs
  const step = Math.max(1000, Math.floor((Date.now() - next) / (passes * 1.2)))
  console.log(`soak: ${machine()}`)
  console.log(`${(rate / 1000).toFixed(0)}k samples/s, half of what was measured, of ${series} series, ${churn}% new each ` +
    `${GENERATION_S} s; ${(step / 1000).toFixed(1)} s of event time a sample; ${minutes} min\n`)
  console.log('    s   samples   series made   in memory   held MiB   resident MiB   log MiB   errors')
  const began = Date.now(), points = []
  let samples = fastest.samples, errors = 0
  for (let generation = 0; Date.now() - began < minutes * 60_000; generation++) {
    const first = Math.round(generation * series * churn / 100)
    const sent = await load({ seconds: GENERATION_S, rate, first, start: next + step, step })
    next = sent.lastMs
    samples += sent.samples
    errors += sent.errors
    const point = { s: (Date.now() - began) / 1000, held: anonymousBytes(cqed.pid), made: first + series }
    points.push(point)
    const living = await metric('cqed_store_series')
    console.log(`${point.s.toFixed(0).padStart(5)} ${(samples / 1e6).toFixed(1).padStart(8)}M ${String(point.made).padStart(13)} ` +
      `${String(living).padStart(11)} ${mib(point.held).toFixed(0).padStart(10)} ${mib(residentBytes(cqed.pid)).toFixed(0).padStart(14)} ${mib(await metric('cqed_wal_bytes')).toFixed(0).padStart(9)} ${String(errors).padStart(8)}`)
  }
  await cqed.stop()
  return { points, errors }
}

function judge({ points, errors }) {
  const fifth = Math.max(1, Math.floor(points.length / 5))
  const middle = points.slice(2 * fifth, 3 * fifth), last = points.slice(-fifth)
  const of = (list, key) => median(list.map(p => p[key]))
  const grown = of(last, 'held') - of(middle, 'held'), made = of(last, 'made') - of(middle, 'made')
  const flat = grown <= of(middle, 'held') / 10 + 16 * 2 ** 20
  console.log(`\nfrom the middle fifth to the last: ${mib(of(middle, 'held')).toFixed(0)} -> ` +
    `${mib(of(last, 'held')).toFixed(0)} MiB` + (made > 0 ? `, ${(grown / made).toFixed(0)} B for each series that came` : ''))
  console.log(`verdict: memory is ${flat ? 'flat' : 'not flat'}; ${errors} requests failed`)
  return flat && errors === 0
}

try {
  process.exitCode = judge(await run()) ? 0 : 1
} catch (error) {
  console.error(`soak: ${error.message}\n${tailOf(cqed.program?.log)}`)
  process.exitCode = 1
} finally {
  await programs.endAll?.()
}
