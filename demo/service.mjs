// service.mjs -- a shop's checkout, one process a version, as a team would run it: request counters and a
// latency histogram by prom-client at /metrics, and the process's own figures pushed by the official
// OpenTelemetry SDK over OTLP/HTTP. It knows nothing of cQED.
//
//     VERSION=v2 PORT=8080 OTLP_URL=http://127.0.0.1:9797/v1/metrics BEHAVIOUR=healthy node service.mjs
//
// PUT /behaviour changes the behaviour of the running process; `cut` is how telemetry dies in production:
// requests are served as before, /metrics hangs and the exporter falls silent.

import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import prometheus from 'prom-client'

const version = process.env.VERSION ?? 'v1'
const port = Number(process.env.PORT ?? 0)
const otlpUrl = process.env.OTLP_URL

// --- Behaviour ---

const MEDIAN_MS = 30 // of the work behind a request, log-normal like most service times
const SIGMA = 0.45
const behaviours = {
  healthy: { failing: 0, slow: 0 },
  errors: { failing: 0.04, slow: 0 },
  slow: { failing: 0, slow: 0.08 }, // p99 from 85 ms to half a second, the median as before
  cut: { failing: 0, slow: 0, silent: true },
}
let behaviour = behaviours[process.env.BEHAVIOUR ?? 'healthy']
if (!behaviour) {
  console.error(`BEHAVIOUR '${process.env.BEHAVIOUR}' is not one of ${Object.keys(behaviours).join(', ')}`)
  process.exit(2)
}

/** Normal deviate (Box and Muller, Ann. Math. Stat. 29, 1958). */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

function workMs() {
  const usual = MEDIAN_MS * Math.exp(SIGMA * normal())
  return Math.random() < behaviour.slow ? usual + 300 + 200 * Math.random() : usual
}

// --- Telemetry: prom-client, scraped ---

const requests = new prometheus.Counter({
  name: 'http_requests_total',
  help: 'Requests answered, by route and status code.',
  labelNames: ['route', 'code'],
})
const durations = new prometheus.Histogram({
  name: 'http_request_duration_seconds',
  help: 'Time to answer a request.',
  labelNames: ['route'],
  buckets: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1],
})
prometheus.collectDefaultMetrics()
// Every series is there from the start, at 0: the first failure must be seen as an increase.
for (const route of ['/checkout', '/smoke']) {
  for (const code of ['200', '500']) requests.inc({ route, code }, 0)
  durations.zero({ route })
}

// --- Telemetry: OpenTelemetry, pushed ---

function startOpenTelemetry() {
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: otlpUrl }),
    exportIntervalMillis: 1000,
    exportTimeoutMillis: 900,
  })
  const provider = new MeterProvider({
    resource: resourceFromAttributes({
      'service.name': 'shop',
      'service.version': version,
      'service.instance.id': `${version}-${process.pid}`,
    }),
    readers: [reader],
  })
  const meter = provider.getMeter('shop')
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  meter
    .createObservableGauge('process.memory.usage', { unit: 'By', description: 'Resident memory.' })
    .addCallback(result => result.observe(process.memoryUsage.rss(), { version }))
  meter
    .createObservableGauge('nodejs.eventloop.delay.p99', { unit: 's', description: 'Since the last export.' })
    .addCallback(result => {
      result.observe(delay.percentile(99) / 1e9, { version })
      delay.reset()
    })
  const orders = meter.createCounter('shop.orders', { unit: '{order}', description: 'Orders placed.' })
  orders.add(0, { version })
  return { provider, orders }
}
const otel = otlpUrl ? startOpenTelemetry() : null

// --- Serving ---

async function answerMetrics(response) {
  if (behaviour.silent) return // and the scraper waits
  const text = await prometheus.register.metrics()
  response.writeHead(200, { 'content-type': prometheus.register.contentType }).end(text)
}

function answerShop(route, response) {
  const began = process.hrtime.bigint()
  setTimeout(() => {
    const code = Math.random() < behaviour.failing ? 500 : 200
    requests.inc({ route, code: String(code) })
    durations.observe({ route }, Number(process.hrtime.bigint() - began) / 1e9)
    if (code === 200) otel?.orders.add(1, { version })
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(code === 200 ? '{"order":"placed"}\n' : '{"error":"payment provider said no"}\n')
  }, workMs())
}

async function changeBehaviour(request, response) {
  let name = ''
  for await (const part of request) name += part
  if (!behaviours[name]) {
    response.writeHead(400).end(`one of ${Object.keys(behaviours).join(', ')}\n`)
    return
  }
  behaviour = behaviours[name]
  console.log(`behaviour is now ${name}`)
  if (behaviour.silent) await otel?.provider.shutdown()
  response.writeHead(204).end()
}

let leaving = false
const server = createServer((request, response) => {
  response.setHeader('x-version', version)
  if (leaving) response.setHeader('connection', 'close')
  const path = request.url.split('?')[0]
  if (path === '/checkout' || path === '/smoke') answerShop(path, response)
  else if (path === '/metrics') answerMetrics(response)
  else if (path === '/healthz') response.end('ok\n')
  else if (path === '/behaviour' && request.method === 'PUT') changeBehaviour(request, response)
  else response.writeHead(404).end('no such page\n')
})
server.keepAliveTimeout = 120_000 // longer than the proxy keeps an idle connection
server.listen(port, '127.0.0.1', () => console.log(`${version} listens on 127.0.0.1:${server.address().port}`))

// Requests that are under way, or on their way over an open connection, are still answered.
process.on('SIGTERM', () => {
  leaving = true
  setTimeout(() => process.exit(0), 1500)
})
