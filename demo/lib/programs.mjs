// programs.mjs -- other programs, started and ended by pid. Each writes to a log of its own; whichever ends when
// nobody asked it to, is told with its log's tail. They die with us, however we die.

import { spawn, fork } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** A part of the stage failed: which, why, and what it said last. */
export class PartFailed extends Error {
  constructor(part, why, log) {
    super(`${part}: ${why}`)
    this.part = part
    this.log = log
  }
}

export function tailOf(log, lines = 15) {
  if (!log || !existsSync(log)) return ''
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}

/** Ports that nobody listens on at this moment. All are held until all are chosen, so no two are the same. */
export async function freePorts(n) {
  const servers = await Promise.all(
    Array.from({ length: n }, () => new Promise((resolve, reject) => {
      const server = createServer().once('error', reject)
      server.listen(0, '127.0.0.1', () => resolve(server))
    })))
  const ports = servers.map(server => server.address().port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

export class Programs {
  constructor(folder) {
    this.folder = folder // of the logs, and where the programs run
    this.all = new Set()
    this.fallen = null // the first that ended by itself
  }

  /** Start one. `cwd` and `env` as of spawn; `ipc` for our own scripts that send messages. */
  start(name, command, args, { env = {}, cwd = this.folder, ipc = false } = {}) {
    const log = join(this.folder, `${name}.log`)
    const out = openSync(log, 'a')
    // A session of its own: Ctrl-C is for us, and we end the others in order.
    const options = { cwd, env: { ...process.env, ...env }, stdio: ['ignore', out, out], detached: true }
    // setpriv leaves by exec, so the child's pid is the program's; the kernel ends it when we are gone.
    const child = ipc
      ? fork(command, args, { ...options, stdio: ['ignore', out, out, 'ipc'] })
      : spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], options)
    closeSync(out)
    const program = { name, child, log, pid: child.pid, ending: false, exit: null }
    program.exited = new Promise(resolve => {
      const done = (code, signal) => {
        program.exit ??= { code, signal }
        this.all.delete(program)
        if (!program.ending)
          this.fallen ??= new PartFailed(name, `ended by itself (${signal ?? `exit code ${code}`})`, log)
        resolve(program.exit)
      }
      child.once('exit', done)
      child.once('error', error => done(error.code, null)) // could not be started
    })
    this.all.add(program)
    return program
  }

  /** End one and wait until it is gone: a polite signal first, unless that is SIGKILL. */
  async end(program, signal = 'SIGTERM') {
    if (!program || program.exit) return
    program.ending = true
    program.child.kill(signal)
    const hard = setTimeout(() => program.child.kill('SIGKILL'), 5000)
    await program.exited
    clearTimeout(hard)
  }

  async endAll() {
    await Promise.all([...this.all].map(program => this.end(program)))
  }

  /** The last resort, for 'exit' handlers: no waiting there. */
  killAll() {
    for (const program of this.all) {
      program.ending = true
      program.child.kill('SIGKILL')
    }
  }

  check() {
    if (this.fallen) throw this.fallen
  }

  /** Ask until the answer is true-ish, and give it back. `part` and its log tell whose fault a time-out is. */
  async until(what, probe, { timeoutMs = 10_000, everyMs = 50, part = null } = {}) {
    const end = Date.now() + timeoutMs
    let last = ''
    for (;;) {
      this.check()
      try {
        const answer = await probe()
        if (answer) return answer
      } catch (error) {
        last = `; last: ${error.cause?.message ?? error.message}`
      }
      if (Date.now() >= end)
        throw new PartFailed(part?.name ?? 'demo', `${what}: not within ${timeoutMs / 1000} s${last}`, part?.log)
      await sleep(everyMs)
    }
  }
}
