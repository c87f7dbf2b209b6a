// shop.mjs -- the shop and who deploys it: two slots behind HAProxy, a process a version. A deployment starts the new
// process, waits until it answers and has run warm, tells the scraper where it is, and points the slot at it. It never
// touches a weight: those are cQED's.

import { writeFileSync, renameSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePorts } from './programs.mjs'

const service = fileURLToPath(new URL('../service.mjs', import.meta.url))
const WARM_UP = 150 // requests; a cold process would look like a slow release

export class Shop {
  constructor(programs, haproxy, targetsFile, otlpUrl) {
    Object.assign(this, { programs, haproxy, targetsFile, otlpUrl })
    this.slots = { stable: null, canary: null }
  }

  /** Start a process of a version; it gets no customers yet. */
  async launch(version, behaviour = 'healthy') {
    const [port] = await freePorts(1)
    const program = this.programs.start(`shop-${version}-${port}`, process.execPath, [service], {
      env: { VERSION: version, BEHAVIOUR: behaviour, PORT: String(port), OTLP_URL: this.otlpUrl },
    })
    const url = `http://127.0.0.1:${port}`
    const release = { version, port, url, program }
    await this.programs.until('it answers', async () => (await fetch(`${url}/healthz`)).ok, { part: program })
    for (let i = 0; i < WARM_UP; i += 15)
      await Promise.all(Array.from({ length: 15 }, async () => (await fetch(`${url}/smoke`)).text()))
    return release
  }

  /** From now on the slot is this process. What the old one is answering, it still answers. */
  async point(slot, release) {
    const server = `shop/${slot}`
    const old = this.slots[slot]
    await this.haproxy.command(`set server ${server} addr 127.0.0.1 port ${release.port}`)
    await this.haproxy.command(`set server ${server} state ready`)
    this.slots[slot] = release
    this.writeTargets()
    await this.programs.until(`slot ${slot} is up`, async () => (await this.haproxy.servers())[slot].op === 2,
      { part: this.haproxy.program })
    if (old && !Object.values(this.slots).includes(old)) await this.programs.end(old.program)
  }

  async behave(slot, behaviour) {
    const answer = await fetch(`${this.slots[slot].url}/behaviour`, { method: 'PUT', body: behaviour })
    if (!answer.ok) throw new Error(`the ${slot} service refused behaviour '${behaviour}'`)
  }

  /** Prometheus's file service discovery, written whole or not at all. `extra` is not in a slot yet. */
  writeTargets(extra = null) {
    const releases = new Set([...Object.values(this.slots), extra].filter(Boolean))
    const groups = [...releases].map(({ port, version }) =>
      ({ targets: [`127.0.0.1:${port}`], labels: { version } }))
    writeFileSync(`${this.targetsFile}.new`, JSON.stringify(groups, null, 2))
    renameSync(`${this.targetsFile}.new`, this.targetsFile)
  }
}
