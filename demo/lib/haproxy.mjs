// haproxy.mjs -- the proxy and its runtime socket (HAProxy 2.6 management guide, chapter 9.3).

import { copyFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, relative } from 'node:path'

const config = new URL('../haproxy.cfg', import.meta.url)

export class Haproxy {
  constructor(programs, port) {
    this.programs = programs
    this.port = port
    this.socket = join(programs.folder, 'haproxy.sock')
  }

  async start() {
    copyFileSync(config, join(this.programs.folder, 'haproxy.cfg'))
    const path = `${process.env.PATH}:/usr/sbin` // where Debian has it, which is not on everybody's path
    this.program = this.programs.start('haproxy', 'haproxy', ['-db', '-f', 'haproxy.cfg'],
      { env: { PATH: path, SHOP_PORT: String(this.port) } })
    await this.programs.until('its socket answers', () => this.ask('show info'), { part: this.program })
  }

  stop() {
    return this.programs.end(this.program)
  }

  /** One line of commands, one answer. */
  ask(line) {
    return new Promise((resolve, reject) => {
      let answer = ''
      // The path of a Unix socket has at most 107 bytes; the shorter spelling of it mostly fits.
      const path = relative(process.cwd(), this.socket)
      const socket = connect(path.length < this.socket.length ? path : this.socket)
      socket.setTimeout(3000, () => socket.destroy(new Error('HAProxy does not answer')))
      socket.on('data', part => (answer += part)).on('end', () => resolve(answer.trim())).on('error', reject)
      socket.end(`${line}\n`)
    })
  }

  async command(line) {
    const answer = await this.ask(line)
    if (answer && !/^(no need to change|nothing changed|IP changed|port changed)/i.test(answer))
      throw new Error(`HAProxy, asked '${line}', says: ${answer}`)
  }

  /** What is in force: { stable: { weight, admin, op, port }, canary: ... } */
  async servers() {
    const rows = (await this.ask('show servers state shop')).split('\n').slice(2)
    return Object.fromEntries(rows.filter(Boolean).map(row => {
      const c = row.split(' ')
      return [c[3], { op: Number(c[5]), admin: Number(c[6]), weight: Number(c[7]), port: Number(c[18]) }]
    }))
  }

  /** Percent of traffic on the canary, as the weights say. */
  async canaryPct() {
    const { stable, canary } = await this.servers()
    return (100 * canary.weight) / (stable.weight + canary.weight)
  }
}
