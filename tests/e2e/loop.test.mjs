// The whole line with real parts: telemetry in by scrape and OTLP, out by promtool, the command line, reload, and the
// page in a real browser while a bad release is rolled back.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { Follower, isFinal } from '../../demo/lib/follow.mjs'
import { sleep } from '../../demo/lib/programs.mjs'
import { failed } from '../../demo/lib/traffic.mjs'
import { closeSound, edit, stageOf } from './setup.mjs'

const run = promisify(execFile)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const gates = `
apiVersion: cqed/v1
kind: Gate
metadata: { name: impossible }
spec:
  service: shop
  evidence: [{ name: requests, query: 'sum(http_requests_total{job="shop"})', below: 0 }]
---
apiVersion: cqed/v1
kind: Gate
metadata: { name: unheard-of }
spec:
  service: shop
  evidence: [{ name: ghosts, query: 'sum(ghosts_total)', below: 1 }]
`

let stage, follower
before(async () => {
  stage = stageOf('loop', folder => writeFileSync(join(folder, 'gate.yaml'), readFileSync(join(folder, 'gate.yaml'), 'utf8') + '---' + gates))
  await stage.openProxy()
  await stage.cqed.start()
  await stage.openShop()
  stage.startTraffic(150)
  follower = new Follower(stage.cqed)
  await stage.telemetryOf('v1')
  await sleep(3000)
})
after(async () => {
  follower?.close()
  await closeSound(stage)
})

const seconds = () => Date.now() / 1000

describe('telemetry', () => {
  /** What the service itself says now. */
  async function counted(route = 'checkout') {
    const text = await (await fetch(`${stage.shop.slots.stable.url}/metrics`)).text()
    return Number(new RegExp(`^http_requests_total\\{route="/${route}",code="200"\\} (\\d+)$`, 'm').exec(text)[1])
  }

  test('a scraped counter is what the service counted', async () => {
    const least = await counted()
    await sleep(2200) // two scrapes
    const [{ metric, value }] = await stage.cqed.query('http_requests_total{job="shop",version="v1",route="/checkout",code="200"}')
    assert.ok(value >= least && value <= (await counted()), `${value} is not between ${least} and what it counted later`)
    assert.equal(metric.instance, `127.0.0.1:${stage.shop.slots.stable.port}`)
    const [{ value: rate }] = await stage.cqed.query('sum(rate(http_requests_total{job="shop",route="/checkout"}[3s]))')
    assert.ok(rate > 75 && rate < 300, `${rate} requests a second of about 150`)
  })

  test('targets are up, with the meta series of every scrape', async () => {
    assert.equal((await stage.cqed.query('up{job="shop"}'))[0].value, 1)
    for (const name of ['scrape_duration_seconds', 'scrape_samples_scraped', 'scrape_samples_post_metric_relabeling', 'scrape_series_added'])
      assert.equal((await stage.cqed.query(`${name}{job="shop"}`)).length, 1, name)
    const { data } = await stage.cqed.get('/api/v1/targets')
    assert.deepEqual(data.activeTargets.map(t => [t.scrapePool, t.health]), [['shop', 'up']])
  })

  test('the OpenTelemetry SDK pushes over OTLP', async () => {
    const [memory] = await stage.cqed.query('process_memory_usage_bytes{job="shop",version="v1"}')
    assert.ok(memory.value > 20e6 && memory.value < 2e9, `${memory.value} bytes`)
    const [delay] = await stage.cqed.query('nodejs_eventloop_delay_p99_seconds{version="v1"}')
    assert.ok(delay.value > 0 && delay.value < 5, `${delay.value} s`)
    const [orders] = await stage.cqed.query('shop_orders_total{version="v1"}')
    const later = (await counted()) + (await counted('smoke'))
    assert.ok(orders.value > 0 && orders.value <= later, `${orders.value} orders, ${later} requests`)
    const [info] = await stage.cqed.query('target_info{job="shop"}')
    assert.equal(info.metric.service_version, 'v1')
    const { data } = await stage.cqed.get('/api/v1/metadata?metric=shop_orders_total')
    assert.equal(data.shop_orders_total[0].type, 'counter')
  })

  test('an SLI is the sum of what came in', async () => {
    const sli = await stage.cqed.query('cqed_sli_total{slo="shop-availability",version="v1"}')
    const raw = await stage.cqed.query('sum(http_requests_total{job="shop",version="v1",route="/checkout"})')
    assert.ok(Math.abs(sli[0].value - raw[0].value) < 400, `${sli[0].value} counted, ${raw[0].value} raw`)
    const slo = await stage.cqed.get('/cqed/v1/slos/shop-availability')
    assert.equal(slo.target, 0.99)
    assert.equal(slo.bad, 0)
    assert.equal(slo.budgetRemaining, 1)
  })
})

describe('promtool, a client that is not ours', () => {
  const promtool = async (...args) => (await run('promtool', args)).stdout

  test('query instant', async () => {
    assert.match(await promtool('query', 'instant', stage.cqed.url, 'up{job="shop"}'), /^up\{.*job="shop".*\} => 1 @\[\d/)
  })
  test('query range', async () => {
    const out = await promtool('query', 'range', '--step=1s', `--start=${Math.floor(seconds()) - 3}`, `--end=${Math.floor(seconds())}`, stage.cqed.url, 'sum(up)')
    assert.match(out, /^\{\} =>\n1 @\[\d+/)
  })
  test('query series', async () => {
    assert.match(await promtool('query', 'series', '--match=http_requests_total{code="500"}', stage.cqed.url), /"http_requests_total", code="500"/)
  })
  test('query labels', async () => {
    assert.deepEqual((await promtool('query', 'labels', stage.cqed.url, 'version')).trim().split('\n'), ['v1'])
  })
  test('check metrics, of cQED itself', async () => {
    const text = await stage.cqed.get('/metrics')
    const checked = run('promtool', ['check', 'metrics'])
    checked.child.stdin.end(text)
    const { stdout, stderr } = await checked // it fails on text that Prometheus could not read, or would not like
    assert.equal(stdout + stderr, '')
  })
  test('a wrong query is refused as Prometheus does', async () => {
    await assert.rejects(promtool('query', 'instant', stage.cqed.url, 'sum(up'), error => /bad_data|parse error/.test(error.stderr + error.stdout))
  })
})

describe('the command line', () => {
  const cli = (...args) => stage.cqed.cli(args, { env: { CQED_SERVER: stage.cqed.url } })

  for (const [args, code, says] of [
    [['gate', 'pre-deploy'], 0, /pass/],
    [['gate', 'impossible'], 1, /must be under 0/],
    [['gate', 'pre-deply'], 2, /no gate 'pre-deply'/],
    [['gate'], 2, /NAME is missing/],
    [['gate', 'unheard-of'], 3, /no series has a sample/],
    [['gate', 'unheard-of', '--wait', '2s', '--every', '1s'], 4, /after 2\.\d+ ?s/],
    [['gate', 'pre-deploy', '--server', 'http://127.0.0.1:1'], 5, /127\.0\.0\.1:1/],
  ])
    test(`cqed ${args.join(' ')} exits with ${code}`, async () => {
      const answer = await cli(...args)
      assert.equal(answer.code, code, answer.out + answer.err)
      assert.match(answer.out + answer.err, says)
    })

  test('--json is the answer of the API', async () => {
    const answer = await cli('gate', 'pre-deploy', '--json')
    const gate = JSON.parse(answer.out)
    assert.deepEqual([gate.gate, gate.state, gate.exitCode], ['pre-deploy', 'pass', 0])
    assert.deepEqual(gate.checks.map(c => c.check), ['shop-availability', 'shop-latency'])
  })

  test('query, slo and status answer from the server', async () => {
    assert.match((await cli('query', 'up{job="shop"}')).out, /shop/)
    assert.match((await cli('slo', 'list')).out, /shop-availability/)
    assert.equal((await cli('status')).code, 0)
  })
})

describe('reload is all or nothing', () => {
  const slos = () => stage.cqed.get('/cqed/v1/slos').then(({ slos }) => slos.map(s => s.name).sort())

  test('a new objective is there at once, and counts go on', async () => {
    const before = (await stage.cqed.get('/cqed/v1/slos/shop-availability')).total
    const file = join(stage.folder, 'cqed/slos.yaml')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, `${text}---\n${text.split('---')[0].replaceAll('shop-availability', 'shop-more')}`)
    await stage.cqed.post('/-/reload')
    assert.deepEqual(await slos(), ['shop-availability', 'shop-latency', 'shop-more'])
    await sleep(1500)
    assert.ok((await stage.cqed.get('/cqed/v1/slos/shop-availability')).total >= before)
    writeFileSync(file, text)
  })

  test('a mistake changes nothing and is told with its place', async () => {
    const before = await slos()
    const file = join(stage.folder, 'cqed/rollout.yaml')
    const text = readFileSync(file, 'utf8')
    edit(file, ['slo: shop-latency', 'slo: shop-latenzy'])
    await assert.rejects(stage.cqed.post('/-/reload'),
      error => error.status === 400 && /rollout\.yaml:\d+.*shop-latenzy.*did you mean 'shop-latency'/.test(error.message))
    assert.deepEqual(await slos(), before)
    writeFileSync(file, text)
    process.kill(stage.cqed.program.pid, 'SIGHUP')
    await stage.programs.until('SIGHUP reloads', async () => (await slos()).length === 2)
  })
})

describe('a bad release, seen in a browser', () => {
  let browser, page
  const noise = [] // whatever the browser complains about
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    })
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' })
    page.on('console', message => ['error', 'warning'].includes(message.type()) && noise.push(message.text()))
    page.on('pageerror', error => noise.push(error.stack))
    page.on('requestfailed', request => request.failure()?.errorText !== 'net::ERR_ABORTED' && noise.push(`${request.url()} ${request.failure()?.errorText}`))
    page.on('response', response => response.status() >= 400 && noise.push(`${response.url()} ${response.status()}`))
    page.setDefaultTimeout(20_000)
  })
  after(() => browser?.close())

  /** axe's findings that stop people: serious and critical ones. */
  async function serious() {
    await page.evaluate(axe)
    const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }))
    return violations.filter(v => ['serious', 'critical'].includes(v.impact))
      .map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')}`)
  }

  const shows = (testid, timeout = 20_000) => page.getByTestId(testid).first().waitFor({ timeout })

  test('the overview is live and names the objectives', async () => {
    await page.goto(stage.cqed.url)
    await shows('service')
    await page.locator('[data-testid=connection][data-state=live]').waitFor()
    assert.match(await page.getByTestId('service').first().innerText(), /Availability/)
  })

  test('it shows the rollback while it happens, without a reload of the page', async () => {
    const { id } = await stage.release('v2', 'errors')
    const fromMs = Date.now()
    await page.locator(`[data-testid=rollout-row][data-rollout="${id}"]`).first().click()
    await page.locator(`[data-testid=rollout-page][data-rollout="${id}"]`).waitFor()
    await page.locator('[data-testid=rollout-state][data-state=progressing]').waitFor()
    await page.getByText('25%').first().waitFor()
    await page.locator('[data-testid=rollout-state][data-state=rolled_back]').waitFor({ timeout: 45_000 })
    const rollout = await follower.until(stage.programs, id, 'the stream says so too', isFinal)
    assert.equal(rollout.state.pauseCode, 'fail')
    assert.match(await page.getByTestId('verdict').innerText(), /% of \d+ canary events are bad/)
    assert.equal(await page.getByTestId('check').count(), rollout.snapshot.checks.length)
    assert.equal(await stage.haproxy.canaryPct(), 0)
    const hurt = stage.traffic.between(fromMs, Infinity, 'v2').filter(failed).length
    assert.ok(hurt > 0, 'customers saw errors of v2')
  })

  test('the verify button proves the ledger, on the server and in the browser', async () => {
    await page.getByTestId('nav-ledger').click()
    await shows('ledger-entry')
    await page.getByTestId('verify').click()
    await page.locator('[data-testid=verify-result][data-ok=true]').waitFor()
    await page.getByTestId('prove-all').click()
    await page.locator('[data-testid=proof-all-result][data-outcome=good], [data-testid=whole-result][data-outcome=good], [data-outcome=good][role=status]').first().waitFor()
  })

  for (const theme of ['dark', 'light'])
    test(`nothing serious for accessibility on any page, ${theme}`, async () => {
      if ((await page.evaluate(() => document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'))) !== theme)
        await page.getByTestId('theme-toggle').click()
      const { rollouts } = await stage.cqed.get('/cqed/v1/rollouts')
      for (const [hash, testid] of [['#/', 'service'], ['#/rollouts', 'rollout-row'], [`#/rollouts/${rollouts[0].id}`, 'rollout-page'], ['#/ledger', 'ledger-entry'], ['#/targets', 'target']]) {
        await page.evaluate(h => (location.hash = h), hash)
        await shows(testid)
        await sleep(300)
        assert.deepEqual(await serious(), [], hash)
      }
    })

  test('a human acts from the page, with a reason', async () => {
    const { id } = await stage.release('v3', 'healthy')
    await page.evaluate(id => (location.hash = `#/rollouts/${id}`), id)
    await follower.until(stage.programs, id, 'it is in force', r => r.state.stepSinceMs > 0)
    await stage.cqed.act(id, 'pause', 'bo', 'it stays until the page has acted, however slow this machine is')
    await page.locator('[data-testid=rollout-state][data-state=paused]').waitFor()
    await page.getByRole('button', { name: /abort/i }).first().click()
    await shows('act-dialog')
    assert.deepEqual(await serious(), [], 'the dialog')
    await page.getByTestId('act-actor').fill('ann')
    await page.getByTestId('act-reason').fill('seen in a test')
    await page.getByTestId('act-submit').click()
    await page.locator('[data-testid=rollout-state][data-state=rolled_back]').waitFor()
    const { entries } = await stage.cqed.get(`/cqed/v1/ledger?subject=${id}&limit=100`)
    const act = entries.findLast(e => e.kind === 'human')
    assert.match(JSON.stringify(act.body), /"ann"/)
    assert.match(JSON.stringify(act.body), /seen in a test/)
  })

  test('the browser had nothing to complain about', () => {
    assert.deepEqual(noise, [])
  })
})

describe('announcing, and the proof at the end', () => {
  test('the same key gives the same rollout, and no reason is refused', async () => {
    const deployment = { service: 'shop', version: 'v3', stableVersion: 'v1', author: 'ci', changeKind: 'normal' }
    const one = await stage.cqed.announce(deployment, 'run-7')
    assert.equal((await stage.cqed.announce(deployment, 'run-7')).id, one.id)
    await assert.rejects(stage.cqed.act(one.id, 'abort', 'ann', ''), { status: 400 })
    await stage.cqed.act(one.id, 'abort', 'ann', 'only a test')
    await follower.until(stage.programs, one.id, 'it ends', isFinal)
    await assert.rejects(stage.cqed.act(one.id, 'pause', 'ann', 'too late'), { status: 409 })
  })

  test('ledger verify and replay pass, beside the running server and through it', async () => {
    for (const args of [['verify', '--data', 'data'], ['replay', '--data', 'data'], ['verify'], ['replay']]) {
      const { code, out, err } = await stage.cqed.cli(['ledger', ...args], { env: { CQED_SERVER: stage.cqed.url } })
      assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`)
    }
  })

  test('an edited ledger is found out, and the entry is named', async () => {
    await stage.cqed.stop()
    const db = join(stage.folder, 'data/ledger.db')
    const bytes = readFileSync(db)
    const at = bytes.lastIndexOf('only a test')
    assert.ok(at > 0, 'the reason stands in the file')
    bytes.write('only a jest', at)
    writeFileSync(db, bytes)
    const { code, out, err } = await stage.cqed.cli(['ledger', 'verify', '--data', 'data'])
    assert.equal(code, 1, out + err)
    assert.match(out + err, /entry \d+/)
  })
})
