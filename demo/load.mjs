// load.mjs -- customers: requests that arrive as a Poisson process over keep-alive connections, whether the
// earlier ones were answered or not (an open loop does not wait for a slow service). What came back is told
// from outside, from status, time and the x-version header:
//
//     node load.mjs http://127.0.0.1:8080/checkout 200 [SECONDS]
//
// Forked, it sends its parent batches of [sentMs, tookMs, version, status]; by hand, it prints a line a second.

import { Agent, request } from 'node:http'

const [url, rate, seconds = '600'] = process.argv.slice(2)
if (!url || !(Number(rate) > 0)) {
  console.error('usage: node load.mjs URL REQUESTS_PER_SECOND [SECONDS]')
  process.exit(2)
}
const agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: 30_000 })
const target = new URL(url)
const options = { agent, host: target.hostname, port: target.port, path: target.pathname, timeout: 5000 }
let batch = []

function note(sent, version, status) {
  batch.push([sent, Date.now() - sent, version, status])
}

function send() {
  const sent = Date.now()
  const asked = request(options, response => {
    response.resume()
    response.on('end', () => note(sent, response.headers['x-version'] ?? '', response.statusCode))
    response.on('error', () => note(sent, '', 0))
  })
  asked.on('timeout', () => asked.destroy(new Error('no answer in 5 s')))
  asked.on('error', () => note(sent, '', 0))
  asked.end()
}

// Gaps between arrivals are exponential; timers are coarser than the gaps, so each wake-up sends all that are due.
const end = Date.now() + 1000 * Number(seconds)
let due = Date.now()
function arrive() {
  const now = Date.now()
  if (now >= end) return finish()
  for (; due <= now; due += (-1000 * Math.log(1 - Math.random())) / Number(rate)) send()
  setTimeout(arrive, Math.max(1, due - now))
}

function finish() {
  setTimeout(() => {
    report()
    process.exit(0)
  }, 1000)
}

function print() {
  const bad = batch.filter(([, , , status]) => status === 0 || status >= 500).length
  const times = batch.map(([, took]) => took).sort((a, b) => a - b)
  const at = q => times[Math.floor(q * (times.length - 1))] ?? '-'
  console.log(`${batch.length} answered, ${bad} failed, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
}

function report() {
  if (batch.length === 0) return
  if (process.send) process.send(batch)
  else print()
  batch = []
}

process.on('disconnect', () => process.exit(0)) // the parent is gone
setInterval(report, process.send ? 100 : 1000)
arrive()
