// Prometheus's official editor (@prometheus-io/codemirror-promql) in a browser, completing against a real `cqed serve`.
//
// Run by CTest, which fetches the libraries first: ctest -R codemirror

import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'

const source = process.env.CQED_SOURCE
const here = dirname(new URL(import.meta.url).pathname)
const { Cqed } = await import(join(source, 'demo/lib/cqed.mjs'))
const { Programs } = await import(join(source, 'demo/lib/programs.mjs'))
const { launch, openPage } = await import(join(source, 'tests/web/browser.mjs'))
const esbuild = createRequire(join(source, 'web/package.json'))('esbuild')

const folder = join(here, 'run')
const asked = []
let programs, cqed, server, browser, page

async function proxy(request, response) {
  const parts = []
  for await (const part of request) parts.push(part)
  asked.push(`${request.method} ${request.url}`)
  const headers = request.headers['content-type'] ? { 'content-type': request.headers['content-type'] } : {}
  const body = parts.length > 0 ? Buffer.concat(parts) : undefined
  const answer = await fetch(cqed.url + request.url, { method: request.method, headers, body })
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') })
  response.end(Buffer.from(await answer.arrayBuffer()))
}

before(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'cqed.yaml'), 'storage: { path: data }\n')
  programs = new Programs(folder)
  process.on('exit', () => programs.killAll())
  cqed = new Cqed(programs, { binary: process.env.CQED, config: 'cqed.yaml' })
  await cqed.start()
  const point = (name, job, route) => ({
    name, description: `What ${name} counts.`, sum: {
      aggregationTemporality: 2, isMonotonic: true,
      dataPoints: [{ asDouble: 1, timeUnixNano: `${Date.now()}000000`,
        attributes: [{ key: 'route', value: { stringValue: route } }, { key: 'zone', value: { stringValue: job } }] }],
    },
  })
  await cqed.post('/v1/metrics', { resourceMetrics: [{ resource: { attributes: [] }, scopeMetrics: [{ metrics: [
    point('shop_orders', 'a', '/cart'), point('shop_orders', 'b', '/pay'), point('shop_returns', 'c', '/cart')] }] }] })
  const bundle = await esbuild.build({ entryPoints: [join(here, 'editor.js')], bundle: true, write: false, format: 'esm' })
  server = createServer((request, response) => {
    if (request.url.startsWith('/api/')) return void proxy(request, response)
    const script = request.url === '/editor.js'
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html')
    response.end(script ? bundle.outputFiles[0].text
      : '<!doctype html><title>editor</title><link rel="icon" href="data:,"><script type="module" src="/editor.js"></script>')
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  browser = await launch()
  ;({ page } = await openPage(browser, `http://127.0.0.1:${server.address().port}/`))
  await page.waitForFunction(() => window.ready)
})

after(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  await programs.endAll()
})

async function completions(text, wanted) {
  await page.evaluate(t => window.complete(t), text)
  await page.waitForFunction(w => [...document.querySelectorAll('.cm-tooltip-autocomplete li .cm-completionLabel')]
    .some(li => li.textContent === w), wanted, { timeout: 10_000 })
  return page.$$eval('.cm-tooltip-autocomplete li .cm-completionLabel', all => all.map(li => li.textContent))
}

test('names of metrics, from the store', async () => {
  const names = await completions('shop_|', 'shop_orders_total')
  assert.ok(names.includes('shop_returns_total'), names.join(' '))
})

test('labels of one metric, and values of one label', async () => {
  const labels = await completions('shop_orders_total{|}', 'route')
  assert.ok(labels.includes('zone'), labels.join(' '))
  const values = await completions('shop_orders_total{route="|"}', '/cart')
  assert.ok(values.includes('/pay'), values.join(' '))
})

test('it asked our API, and was understood', async () => {
  assert.ok(asked.some(line => line.startsWith('POST /api/v1/labels') || line.startsWith('POST /api/v1/series')), asked.join('\n'))
  assert.ok(asked.some(line => /\/api\/v1\/(label\/|series|metadata)/.test(line)), asked.join('\n'))
})
