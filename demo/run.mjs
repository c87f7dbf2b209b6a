// run.mjs -- `make demo`: the whole loop on this machine, with a real proxy, real services and real customers.
// Four releases in turn, then kill -9 in the middle of a fifth. What cQED says is printed as it says it; what
// customers saw is measured by the load generator alone. Exit 0 only when everything came out as it must.
//
//     KEEP=1 node demo/run.mjs         leaves it up and prints the page's address; Ctrl-C ends all of it

import { execFileSync } from 'node:child_process'
import { copyFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { Follower, isFinal } from './lib/follow.mjs'
import { PartFailed, sleep, tailOf } from './lib/programs.mjs'
import { bad, bold, dim, good, line, since, table, title } from './lib/say.mjs'
import { Stage } from './lib/stage.mjs'
import { failed, hurt, slow } from './lib/traffic.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const binary = process.env.CQED ?? join(root, 'build/cqed')
const folder = process.env.DEMO_FOLDER ?? join(root, 'build/demo')
const rate = Number(process.env.RATE ?? 200)
const keep = Boolean(process.env.KEEP && process.env.KEEP !== '0')

const MIB = 1 << 20
const AIM = { backSeconds: 15, memoryMib: 30, startMs: 100, binaryMib: 10 } // printed beside what was measured

let stage = null
const rows = [] // of the table
const wrongs = [] // what did not come out as it must

function expect(fact, what) {
  if (!fact) wrongs.push(what)
  return fact
}

// --- The timeline: a line when something changes, and a sign of life while it waits ---

const QUIET_MS = 8000
const said = new Map()

function tell(rollout) {
  const { state, verdict, reasons } = rollout
  if (verdict === 'wait' && Date.now() - state.createdMs < 1500) return // the proxy is being asked
  const key = [state.state, state.desiredPct, state.automation, state.pauseCode, verdict, state.stepSinceMs > 0].join()
  const last = said.get(rollout.id)
  const now = Date.now()
  if (last?.key === key && (isFinal(rollout) || now - last.ms < QUIET_MS)) return
  said.set(rollout.id, { key, ms: now })
  const why = reasons.map(r => r.sentence)
  line(verdict, why.length ? why.slice(0, 2).join('; ') : state.state, { who: state.canaryVersion, pct: state.desiredPct })
}

// --- A release, from its announcement to its end ---

const atVerdict = (rollout, verdicts) => rollout.history.find(entry => verdicts.includes(entry.verdict))

/** What a rollout cost, told from outside; called when its last answers are in. */
function toll(version, fromMs) {
  const answers = stage.traffic.between(fromMs, Infinity, version)
  const bads = answers.filter(hurt)
  return {
    answers,
    bads,
    text: `${bads.length} of ${answers.length}` +
      (bads.length ? ` (${bads.filter(failed).length} failed, ${bads.filter(a => slow(a) && !failed(a)).length} slow)` : ''),
  }
}

async function addRow(rollout, version, fromMs, verdict, decided) {
  await sleep(1500) // for the last answers, and for the scrape that counts them
  const cost = toll(version, fromMs)
  const spent = await spentBy(version)
  rows.push({
    release: `${version} ${descriptions[version]}`,
    verdict,
    decided: decided ? `${((decided.atMs - rollout.state.createdMs) / 1000).toFixed(1)} s` : '-',
    hurt: cost.text,
    spent,
  })
  return cost
}

const descriptions = {
  v2: 'healthy',
  v3: '4% errors',
  v4: 'slow tail',
  v5: 'telemetry cut off',
  v6: 'kill -9 of cQED',
}

const slos = ['shop-availability', 'shop-latency']

/** Bad events of a version by SLO, in cQED's own counters. */
async function spentBy(version) {
  const spent = {}
  for (const slo of slos) {
    const arm = `{slo="${slo}",version="${version}"}`
    const [answer] = await stage.cqed.query(`cqed_sli_total${arm} - cqed_sli_good_total${arm}`)
    spent[slo] = answer?.value ?? 0
  }
  return spent
}

async function releaseAndFollow(follower, version, behaviour) {
  const fromMs = Date.now()
  title(`Release ${version}: ${descriptions[version]}`)
  const { id } = await stage.release(version, behaviour, rollout =>
    line('announced', `by CI, as ${rollout.id}`, { who: version, pct: 0 }))
  return { id, version, fromMs, until: (what, test, options) =>
    follower.until(stage.programs, id, `${version}: ${what}`, test, { part: stage.cqed.program, ...options }) }
}

async function healthyRelease(follower) {
  const release = await releaseAndFollow(follower, 'v2', 'healthy')
  await release.until('ends', isFinal, { timeoutMs: 90_000 })
  const rollout = await stage.cqed.rollout(release.id)
  expect(rollout.state.state === 'succeeded', `v2 is healthy and must be promoted, but it is ${rollout.state.state}`)
  for (const { weightPct } of rollout.steps)
    expect(rollout.history.some(h => h.weightPct === weightPct), `v2 was never sent ${weightPct}% of traffic`)
  expect((await stage.haproxy.canaryPct()) === 100, 'v2 was promoted, but HAProxy does not send it all traffic')
  await addRow(rollout, 'v2', release.fromMs, 'promoted to 100%', atVerdict(rollout, ['promote']))
}

/** After a promotion the other slot gets the new version too, while it has no customers. */
async function makeStable(version) {
  line('deployed', `${version} into the stable slot, which has no customers now`, { who: version, pct: 100 })
  await stage.shop.point('stable', await stage.shop.launch(version))
  await stage.telemetryOf(version)
}

async function harmfulRelease(follower, version, behaviour) {
  const release = await releaseAndFollow(follower, version, behaviour)
  await release.until('ends', isFinal, { timeoutMs: 60_000 })
  const rollout = await stage.cqed.rollout(release.id)
  const { state } = rollout
  expect(state.state === 'rolled_back' && state.pauseCode === 'fail',
    `${version} does harm and must be rolled back for it, but it is ${state.state} ${state.pauseCode}`)
  expect((await stage.haproxy.canaryPct()) === 0, `${version} was rolled back, but HAProxy still sends it traffic`)
  const from = Math.max(0, ...rollout.history.map(h => h.weightPct))
  const cost = await addRow(rollout, version, release.fromMs, `rolled back at ${from}%`, atVerdict(rollout, ['rollback']))
  const last = cost.answers.at(-1)
  expect(last && Date.now() - last.doneMs > 1000, `${version} still answers customers after its rollback`)
  if (cost.bads.length) return (last.doneMs - cost.bads[0].doneMs) / 1000
  expect(false, `${version} was rolled back although no customer saw a bad answer`)
  return NaN
}

async function blindRelease(follower) {
  const release = await releaseAndFollow(follower, 'v5', 'healthy')
  await release.until('is in force', r => r.state.stepSinceMs > 0, { timeoutMs: 15_000 })
  await sleep(4000)
  const before = await stage.haproxy.canaryPct()
  await stage.shop.behave('canary', 'cut')
  const cutMs = Date.now()
  line('cut', '/metrics hangs and the OpenTelemetry exporter falls silent; customers are served as before', { who: 'v5', pct: 5 })
  const blind = await release.until('is seen to be blind', r => r.state.pauseCode === 'blind' || isFinal(r), { timeoutMs: 20_000 })
  expect(blind.state.state === 'paused', `v5 is blind and must be paused, but it is ${blind.state.state}`)
  await sleep(5000)
  const held = await stage.cqed.rollout(release.id)
  expect(held.state.state === 'paused' && held.state.desiredPct === 5, 'v5 is blind and must be held at 5%')
  expect(held.state.automation === 'approve', `v5 is blind, but automation is ${held.state.automation}, not lowered to approve`)
  expect((await stage.haproxy.canaryPct()) === before, 'v5 is blind, but its weight in HAProxy changed')
  const served = stage.traffic.between(cutMs, Infinity, 'v5')
  expect(served.length > 0 && !served.some(failed), 'v5 must serve its customers while its telemetry is cut off')
  await stage.cqed.act(release.id, 'abort', 'ann', 'no telemetry, no release: we look into it first')
  await release.until('is aborted', isFinal)
  const rollout = await stage.cqed.rollout(release.id)
  expect(rollout.state.state === 'rolled_back', `v5 was aborted by a human, but it is ${rollout.state.state}`)
  await addRow(rollout, 'v5', release.fromMs, 'held at 5%, then aborted by ann', atVerdict(rollout, ['pause']))
}

/** kill -9 in the middle of a step: traffic must not notice, and the next cQED goes on where this one stood. */
async function killedRelease(follower) {
  const release = await releaseAndFollow(follower, 'v6', 'healthy')
  await release.until('is in force', r => r.state.stepSinceMs > 0, { timeoutMs: 15_000 })
  await sleep(8000)
  const before = await stage.cqed.rollout(release.id)
  const weights = JSON.stringify(await stage.haproxy.servers())
  await stage.cqed.kill9()
  const goneMs = Date.now()
  line('kill -9', `cQED is gone, at step ${before.state.step + 1} of ${before.steps.length}`, { who: 'v6', pct: 5 })
  await sleep(2500) // less than telemetry.maxAge, or the next cQED would begin blind
  const share = stage.traffic.share('v6', goneMs)
  const missed = stage.traffic.between(goneMs).filter(failed).length
  line('measured', `${share.toFixed(1)}% of customers on v6, ${missed} failed, while nobody is at the wheel`, { who: 'v6', pct: 5 })
  const startMs = await stage.cqed.start()
  const after = await stage.cqed.rollout(release.id)
  line('restarted', `ready in ${startMs.toFixed(0)} ms; the ledger says: ${after.state.state}, step ${after.state.step + 1}`, { who: 'v6', pct: after.state.desiredPct })
  expect(JSON.stringify(await stage.haproxy.servers()) === weights, 'the weights changed while cQED was dead or when it came back')
  expect(share > 2 && share < 9 && missed === 0, `traffic was not left alone: ${share}% on v6, ${missed} failed`)
  expect(after.state.step === before.state.step && after.state.desiredPct === before.state.desiredPct && after.state.decisions >= before.state.decisions,
    `after the restart the rollout stands at step ${after.state.step}, before at ${before.state.step}`)
  const advanced = await release.until('goes on', r => r.state.desiredPct > 5 || isFinal(r), { timeoutMs: 60_000 })
  expect(advanced.state.desiredPct === 25, `v6 is healthy and must go on to 25%, but it is ${advanced.state.state} at ${advanced.state.desiredPct}%`)
  await addRow(await stage.cqed.rollout(release.id), 'v6', release.fromMs, 'resumed, on to 25%', { atMs: Date.now() - 1500 })
}

// --- The end: proofs and figures ---

async function prove() {
  title('Proof')
  for (const args of [['ledger', 'verify', '--data', 'data'], ['ledger', 'replay', '--data', 'data']]) {
    const { code, out, err } = await stage.cqed.cli(args)
    console.log(`${dim(`$ cqed ${args.join(' ')}`)}\n${(out + err).trim()}`)
    expect(code === 0, `cqed ${args.slice(0, 2).join(' ')} says ${code}`)
  }
}

async function percentSpent() {
  const allowed = {}
  for (const slo of slos) {
    const { total, target } = await stage.cqed.get(`/cqed/v1/slos/${slo}`)
    allowed[slo] = total * (1 - target)
  }
  return spent => slos.map(slo => `${(100 * spent[slo] / allowed[slo]).toFixed(1)}%`).join(' / ')
}

/** A build with debug information is bigger on disk; what is loaded and shipped is the stripped program. */
function binaryMib() {
  const stripped = join(folder, 'cqed.stripped')
  try {
    copyFileSync(binary, stripped)
    execFileSync('strip', [stripped])
    return statSync(stripped).size / MIB
  } catch {
    return statSync(binary).size / MIB
  }
}

function figure(name, value, unit, aim, digits = 0) {
  const text = `${name.padEnd(56)} ${bold(value.toFixed(digits).padStart(6))} ${unit}`
  console.log(value <= aim ? `${text}  (aim: under ${aim})` : `${text}  ${bold(`over the aim of ${aim}`)}`)
}

async function report({ startMs, idleMib, back }) {
  const percent = await percentSpent()
  title('What became of them')
  table(['release', 'verdict', 'time to decision', 'requests hurt', 'budget spent (availability / latency)'],
    rows.map(r => [r.release, r.verdict, r.decided, r.hurt, percent(r.spent)]))
  title('Figures')
  figure('first error seen by a customer -> traffic back on stable', back.v3, 's', AIM.backSeconds, 1)
  figure('first slow answer -> traffic back on stable', back.v4, 's', AIM.backSeconds, 1)
  figure('memory of cQED, idle', idleMib, 'MiB', AIM.memoryMib, 1)
  console.log(`${'memory of cQED, now'.padEnd(56)} ${stage.cqed.memory().toFixed(1).padStart(6)} MiB`)
  figure('start of cQED until it is ready', startMs, 'ms', AIM.startMs)
  figure('size of the program, stripped', binaryMib(), 'MiB', AIM.binaryMib, 1)
}

// --- The whole play ---

async function play() {
  title('cQED: production evidence decides what happens to a change')
  stage = new Stage({ folder, binary })
  await stage.openProxy()
  await fetch(`http://127.0.0.1:${stage.haproxy.port}/`) // ours is slow the first time; cQED's start is measured next
  const startMs = await stage.cqed.start()
  await sleep(1000)
  const idleMib = stage.cqed.memory()
  line('up', `cQED is ready in ${startMs.toFixed(0)} ms; its page: ${stage.cqed.url}`)
  await stage.openShop()
  stage.startTraffic(rate)
  line('up', `the shop's v1 behind HAProxy, ${rate} requests a second`)
  const follower = new Follower(stage.cqed, tell)
  await stage.telemetryOf('v1')
  await sleep(3000) // a little history of stable: what is usual
  await healthyRelease(follower)
  await makeStable('v2')
  const back = {}
  back.v3 = await harmfulRelease(follower, 'v3', 'errors')
  back.v4 = await harmfulRelease(follower, 'v4', 'slow')
  await blindRelease(follower)
  await killedRelease(follower)
  await prove()
  await report({ startMs, idleMib, back })
  return follower
}

async function stay() {
  title('Left running')
  console.log(`The page: ${bold(stage.cqed.url)}   The shop: http://127.0.0.1:${stage.haproxy.port}/checkout`)
  console.log(`Logs and data: ${folder}   Ctrl-C ends all of it.`)
  await Promise.race([interrupted, stage.traffic.program.exited])
}

function explain(error) {
  bad(error instanceof PartFailed ? `${error.part} failed: ${error.message.slice(error.part.length + 2)}` : error.stack)
  const tail = tailOf(error.log)
  if (tail) console.log(dim(`--- the end of ${error.log}\n${tail}`))
}

let interrupt
const interrupted = new Promise((_, reject) => (interrupt = reject))
interrupted.catch(() => {})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => interrupt(new Error(`ended by ${signal}`)))

let code = 1
try {
  const follower = await Promise.race([play(), interrupted])
  console.log('')
  for (const wrong of wrongs) bad(wrong)
  if (wrongs.length === 0) good(`all came out right, in ${since().toFixed(0)} s`)
  code = wrongs.length === 0 ? 0 : 1
  if (keep) await stay()
  follower.close()
} catch (error) {
  if (/^ended by SIG/.test(error.message)) {
    console.log(`\n${error.message}`)
    code = keep && code === 0 ? 0 : 130
  } else {
    explain(error)
    code = 1
  }
}
await stage?.close()
process.exit(code)
