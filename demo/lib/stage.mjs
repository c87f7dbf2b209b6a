// stage.mjs -- everything of the demo in its place: proxy, cQED, the shop's stable version, customers. The end-to-end
// and crash tests play on the same stage.

import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { Cqed } from './cqed.mjs'
import { Haproxy } from './haproxy.mjs'
import { Programs, freePorts } from './programs.mjs'
import { Shop } from './shop.mjs'
import { Traffic } from './traffic.mjs'

const policies = fileURLToPath(new URL('../cqed', import.meta.url))

export class Stage {
  /** An empty folder with the demo's policies in it; `edit(folder)` may change them before cQED reads them. */
  constructor({ folder, binary, edit = () => {}, env = {} }) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    cpSync(policies, join(folder, 'cqed'), { recursive: true })
    this.targetsFile = join(folder, 'cqed/targets.json')
    writeFileSync(this.targetsFile, '[]')
    edit(join(folder, 'cqed'))
    this.folder = folder
    this.programs = new Programs(folder)
    this.cqed = new Cqed(this.programs, { binary, config: 'cqed/cqed.yaml', env })
    this.traffic = new Traffic(this.programs)
    this.killAll = () => this.programs.killAll()
    process.on('exit', this.killAll)
  }

  async openProxy() {
    const [port] = await freePorts(1)
    this.haproxy = new Haproxy(this.programs, port)
    await this.haproxy.start()
  }

  async openShop() {
    this.shop = new Shop(this.programs, this.haproxy, this.targetsFile, `${this.cqed.url}/v1/metrics`)
    await this.shop.point('stable', await this.shop.launch('v1'))
  }

  startTraffic(rate) {
    this.traffic.start(`http://127.0.0.1:${this.haproxy.port}/checkout`, rate)
  }

  /** Telemetry of a version is in: scraped, and pushed by its OpenTelemetry SDK. */
  async telemetryOf(version) {
    const both = `up{job="shop",version="${version}"} == 1 and on(version) process_memory_usage_bytes`
    await this.programs.until(`telemetry of ${version} is in cQED`, async () => (await this.cqed.query(both)).length > 0,
      { part: this.cqed.program, timeoutMs: 15_000, everyMs: 100 })
  }

  /**
   * Deploy into the canary slot and announce it. The slot changes hands only when it has next to no customers; after
   * a promotion it has them all until cQED, told of the next release, hands them back to stable.
   */
  async release(version, behaviour, onAnnounced = () => {}) {
    const release = await this.shop.launch(version, behaviour)
    this.shop.writeTargets(release)
    await this.telemetryOf(version)
    const busy = (await this.haproxy.canaryPct()) > 0
    if (!busy) await this.shop.point('canary', release)
    const announced = await this.cqed.announce(
      { service: 'shop', version, stableVersion: this.shop.slots.stable.version, author: 'ci', changeKind: 'normal' },
      `${version}-${Date.now()}`)
    onAnnounced(announced)
    if (busy) {
      await this.programs.until('traffic is back on stable', async () => (await this.haproxy.canaryPct()) < 6,
        { part: this.cqed.program, everyMs: 10 })
      await this.shop.point('canary', release)
    }
    return announced
  }

  async close() {
    await this.traffic.stop() // first, or it would see the others go
    await this.programs.endAll()
    process.off('exit', this.killAll)
  }
}
