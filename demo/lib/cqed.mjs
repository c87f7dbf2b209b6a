// cqed.mjs -- cQED as a user sees it: a program, its HTTP API (docs/manual/api.md), its event stream, its command line.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { sleep } from './programs.mjs'

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? JSON.stringify(body))
    this.status = status
    this.code = body?.error?.code
  }
}

export class Cqed {
  constructor(programs, { binary, config, listen = '127.0.0.1:0', env = {} }) {
    Object.assign(this, { programs, binary, config, listen, env })
    this.logSeen = 0 // of earlier lives
  }

  /** Start it and wait until it is ready; the answer is how many milliseconds that took. */
  async start({ timeoutMs = 20_000 } = {}) {
    const began = performance.now()
    const args = ['serve', '-c', this.config, '--listen', this.listen]
    this.program = this.programs.start('cqed', this.binary, args, { env: this.env })
    await this.programs.until('it listens', () => {
      const match = /listening address=(http:\/\/\S+)/.exec(readFileSync(this.program.log, 'utf8').slice(this.logSeen))
      return match && (this.url = match[1])
    }, { part: this.program, everyMs: 2, timeoutMs })
    await this.programs.until('it is ready', async () => (await fetch(`${this.url}/-/ready`)).ok,
      { part: this.program, everyMs: 2, timeoutMs })
    this.listen = new URL(this.url).host // the next start takes the same address
    return performance.now() - began
  }

  kill9() {
    return this.stop('SIGKILL')
  }

  async stop(signal = 'SIGTERM') {
    await this.programs.end(this.program, signal)
    this.logSeen = readFileSync(this.program.log, 'utf8').length
  }

  /** Resident memory in MiB. */
  memory() {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.program.pid}/status`, 'utf8'))[1]) / 1024
  }

  // --- The API ---

  async get(path) {
    return this.#answer(await fetch(this.url + path))
  }

  async post(path, body, headers = {}) {
    const request = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }
    return this.#answer(await fetch(this.url + path, request))
  }

  async #answer(response) {
    const text = await response.text()
    let body = text
    try {
      body = JSON.parse(text)
    } catch {
      // plain text
    }
    if (!response.ok) throw new ApiError(response.status, body)
    return body
  }

  announce(deployment, key) {
    return this.post('/cqed/v1/rollouts', deployment, { 'Idempotency-Key': key })
  }

  rollout(id) {
    return this.get(`/cqed/v1/rollouts/${id}`)
  }

  act(id, act, actor, reason, more = {}) {
    return this.post(`/cqed/v1/rollouts/${id}/${act}`, { actor, reason, role: 'operator', ...more })
  }

  /** An instant query's vector: [{ metric, value }]. */
  async query(promql, time) {
    const at = time === undefined ? '' : `&time=${time}`
    const answer = await this.get(`/api/v1/query?query=${encodeURIComponent(promql)}${at}`)
    return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
  }

  /** Call back for each server-sent event, over restarts, until the answer's close() is called. */
  events(each) {
    const stop = new AbortController()
    const run = async () => {
      while (!stop.signal.aborted) {
        try {
          await this.#readEvents(each, stop.signal)
        } catch {
          // cQED is gone for now
        }
        await sleep(100)
      }
    }
    run()
    return { close: () => stop.abort() }
  }

  async #readEvents(each, signal) {
    const response = await fetch(`${this.url}/cqed/v1/events`, { signal })
    const decoder = new TextDecoder()
    let text = ''
    for await (const part of response.body) {
      text += decoder.decode(part, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop()
      for (const block of blocks) {
        const fields = block.split('\n').map(line => /^(event|data): ?(.*)$/.exec(line)).filter(Boolean)
        const event = fields.find(([, name]) => name === 'event')?.[2]
        const data = fields.filter(([, name]) => name === 'data').map(([, , value]) => value).join('\n')
        if (event) each(event, data ? JSON.parse(data) : null)
      }
    }
  }

  // --- The command line ---

  /** Run `cqed ARGS...` to its end. Never throws: { code, out, err }. */
  cli(args, { timeoutMs = 30_000, env = {} } = {}) {
    return new Promise(resolve => {
      const options = { cwd: this.programs.folder, timeout: timeoutMs, maxBuffer: 64 << 20, env: { ...process.env, ...this.env, ...env } }
      execFile(this.binary, args, options, (error, out, err) =>
        resolve({ code: error ? (error.code ?? `killed by ${error.signal}`) : 0, out, err }))
    })
  }
}
