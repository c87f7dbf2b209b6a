// blocks.mjs -- `make bench-blocks`: what a day of SLO-style series takes on disk, in cQED, Prometheus and VictoriaMetrics, all
// told the same by remote write 1.0, blocks joined as far as each joins them by itself. Bytes are those of blocks (parts in
// VictoriaMetrics), their indexes included, and without logs. SERIES=2000 HOURS=24; it takes some minutes.
// How to read it: docs/manual/benchmarks.md.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Cqed } from '../demo/lib/cqed.mjs'
import { freePorts, Programs, sleep } from '../demo/lib/programs.mjs'
import { table, title } from '../demo/lib/say.mjs'
import { machine } from './lib/measure.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = process.env.BUILD ?? join(root, 'build')
const folder = process.env.BENCH_FOLDER ?? join(build, 'bench/blocks')
const services = Math.floor(Number(process.env.SERIES ?? 2000) / 20)
const hours = Number(process.env.HOURS ?? 24) + 3 // the last ones stay in heads
const only = process.env.ONLY?.split(',') ?? ['cqed', 'prometheus', 'victoria-metrics']
const STEP = 15_000, HOUR = 3600_000, STEPS_A_REQUEST = 20
const begin = Math.floor((Date.now() - hours * HOUR) / (2 * HOUR)) * 2 * HOUR

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const programs = new Programs(folder)
process.on('exit', () => programs.killAll())

// --- What is told: per service 4 request counters, a histogram of 12 buckets with count and sum, 2 gauges ---

const les = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf']
const shares = [0.02, 0.08, 0.25, 0.45, 0.7, 0.9, 0.96, 0.985, 0.995, 0.998, 0.9995, 1]

const varint = n => {
  const out = []
  for (; n >= 128; n = Math.floor(n / 128)) out.push((n % 128) + 128)
  return [...out, n]
}
const bytes = (field, content) => Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(content.length)]), content])
const label = ([name, value]) => bytes(1, Buffer.concat([bytes(1, Buffer.from(name)), bytes(2, Buffer.from(value))]))

function seriesOf(i) {
  const id = `svc-${String(i).padStart(5, '0')}`
  const of = (name, more = {}) => Buffer.concat(Object.entries({ __name__: name, instance: `${id}-00:8080`, job: 'api',
    route: '/api/v1/route00', service: id, ...more }).sort(([a], [b]) => (a < b ? -1 : 1)).map(label))
  const requests = ['GET', 'POST'].flatMap(method => ['200', '500'].map(code => of('http_requests_total', { code, method })))
  const seconds = 'http_request_duration_seconds'
  return [...requests, ...les.map(le => of(`${seconds}_bucket`, { le })), of(`${seconds}_count`), of(`${seconds}_sum`),
    of('http_requests_in_flight'), of('http_queue_wait_seconds')]
}

/** The same numbers for each server: a small generator with a seed (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** 2 to 201 requests a second, each step 20% more or less, 0.2% of them failed. */
function step(s, next) {
  const n = Math.floor(s.rate * 15 * (0.8 + 0.4 * next()) + 0.5), failed = Math.floor(n * 0.002 + next())
  s.ok += n - failed
  s.failed += failed
  s.seconds += n * 0.08 + Math.floor(next() * 256) / 1000
  const get = Math.floor(s.ok * 0.7), getFailed = Math.floor(s.failed * 0.7), total = s.ok + s.failed
  return [get, getFailed, s.ok - get, s.failed - getFailed, ...shares.map(share => Math.floor(total * share)), total, s.seconds,
    Math.floor(next() * 64), Math.floor(next() * 4096) / 10000]
}

/** Snappy's block format of literals only. */
function snappy(content) {
  const parts = [Buffer.from(varint(content.length))]
  for (let at = 0; at < content.length; at += 65536) {
    const part = content.subarray(at, at + 65536)
    parts.push(Buffer.from([61 << 2, (part.length - 1) % 256, (part.length - 1) >> 8]), part)
  }
  return Buffer.concat(parts)
}

async function tell(url) {
  const all = Array.from({ length: services }, (_, i) => ({ labels: seriesOf(i), rate: 2 + ((i * 7919) % 200), ok: 0, failed: 0, seconds: 0 }))
  const next = random(1)
  let samples = 0
  for (let from = begin; from < begin + hours * HOUR; from += STEPS_A_REQUEST * STEP) {
    const messages = []
    for (const s of all) {
      const rows = Array.from({ length: STEPS_A_REQUEST }, () => step(s, next))
      s.labels.forEach((labels, k) => {
        const points = Buffer.alloc(STEPS_A_REQUEST * 18)
        rows.forEach((row, i) => {
          points.set([0x12, 16, 9], i * 18)
          points.writeDoubleLE(row[k], i * 18 + 3)
          points.set([0x10, ...varint(from + i * STEP)], i * 18 + 11)
        })
        messages.push(bytes(1, Buffer.concat([labels, points])))
        samples += STEPS_A_REQUEST
      })
    }
    const response = await fetch(url, { method: 'POST', body: snappy(Buffer.concat(messages)),
      headers: { 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy' } })
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  }
  return samples
}

// --- What is there afterwards ---

const sizeOf = path => (statSync(path).isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : statSync(path).size)

/** Blocks of Prometheus's format: bytes and samples by their own account. */
function blocksIn(data) {
  const found = readdirSync(data).filter(name => /^[0-9A-Z]{26}$/.test(name))
  const metas = found.map(name => JSON.parse(readFileSync(join(data, name, 'meta.json'), 'utf8')))
  return { blocks: found.length, bytes: found.reduce((sum, name) => sum + sizeOf(join(data, name)), 0),
    samples: metas.reduce((sum, meta) => sum + meta.stats.numSamples, 0) }
}

/** Until nothing has changed for a while. */
async function settled(data, seconds) {
  for (let last = '', same = 0; same < seconds; ) {
    await sleep(1000)
    const now = JSON.stringify(blocksIn(data))
    same = now === last && blocksIn(data).blocks > 0 ? same + 1 : 0
    last = now
  }
  return blocksIn(data)
}

async function cqed() {
  writeFileSync(join(folder, 'cqed.yaml'), 'storage: { path: cqed, retention: 0 }\n')
  const server = new Cqed(programs, { binary: join(build, 'cqed'), config: 'cqed.yaml' })
  await server.start()
  await tell(`${server.url}/api/v1/write`)
  await server.stop()
  await server.start() // the first thing it does is to write and join blocks
  const found = await settled(join(folder, 'cqed'), 10)
  await server.stop()
  return found
}

async function prometheus() {
  const [port] = await freePorts(1), url = `http://127.0.0.1:${port}`
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n')
  const program = programs.start('prometheus', 'prometheus', ['--config.file=prometheus.yml', '--storage.tsdb.path=prometheus',
    `--web.listen-address=127.0.0.1:${port}`, '--web.enable-remote-write-receiver', '--storage.tsdb.retention.time=400d'])
  await programs.until('Prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok, { part: program })
  await tell(`${url}/api/v1/write`)
  const found = await settled(join(folder, 'prometheus'), 90) // it looks once a minute
  await programs.end(program)
  return found
}

async function victoria() {
  const [port] = await freePorts(1), url = `http://127.0.0.1:${port}`
  const program = programs.start('victoria-metrics', 'victoria-metrics', ['-storageDataPath=vm', `-httpListenAddr=127.0.0.1:${port}`,
    '-retentionPeriod=12'])
  await programs.until('VictoriaMetrics is ready', async () => (await fetch(`${url}/health`)).ok, { part: program })
  const samples = await tell(`${url}/api/v1/write`)
  await fetch(`${url}/internal/force_flush`)
  await fetch(`${url}/internal/force_merge`)
  await sleep(15_000)
  await programs.end(program)
  return { blocks: 1, bytes: sizeOf(join(folder, 'vm', 'data')) + sizeOf(join(folder, 'vm', 'indexdb')), samples }
}

const runs = { cqed, prometheus, 'victoria-metrics': victoria }
const rows = []
title(`${services * 20} series, ${hours - 3} hours at 15 s; ${machine()}`)
for (const name of only) {
  const { blocks, bytes, samples } = await runs[name]()
  rows.push([name, String(blocks), String(samples), String(bytes), (bytes / samples).toFixed(3)])
  console.log(`  ${name}: ${(bytes / samples).toFixed(3)} bytes a sample`)
}
table(['', 'BLOCKS', 'SAMPLES', 'BYTES', 'BYTES A SAMPLE'], rows)
