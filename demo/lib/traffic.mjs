// traffic.mjs -- what customers saw, told by the load generator alone: nothing here asks cQED.

import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../load.mjs', import.meta.url))
export const SLOW_MS = 250 // the latency SLO's promise

export const failed = answer => answer.status === 0 || answer.status >= 500
export const slow = answer => answer.tookMs > SLOW_MS
export const hurt = answer => failed(answer) || slow(answer)

export class Traffic {
  constructor(programs) {
    this.programs = programs
    this.answers = [] // { sentMs, doneMs, tookMs, version, status }, in order of arrival
  }

  start(url, rate, seconds = 3600) {
    this.program = this.programs.start('load', script, [url, String(rate), String(seconds)], { ipc: true })
    this.program.child.on('message', batch => {
      for (const [sentMs, tookMs, version, status] of batch)
        this.answers.push({ sentMs, tookMs, doneMs: sentMs + tookMs, version, status })
    })
  }

  stop() {
    return this.programs.end(this.program)
  }

  /** Answers that arrived in [fromMs, toMs), of one version or of all. */
  between(fromMs, toMs = Infinity, version = null) {
    return this.answers.filter(a =>
      a.doneMs >= fromMs && a.doneMs < toMs && (version === null || a.version === version))
  }

  /** Percent of answers that came from a version; NaN when there were none. */
  share(version, fromMs, toMs = Infinity) {
    const all = this.between(fromMs, toMs)
    return (100 * all.filter(a => a.version === version).length) / all.length
  }
}
