// measure.mjs -- what a process cost: CPU seconds and resident bytes, as the kernel counts them.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'

const ticksASecond = Number(execFileSync('getconf', ['CLK_TCK']).toString())

/** User and system CPU seconds of all threads so far, in steps of a tick (10 ms). */
export function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksASecond
}

export function residentBytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

/** Without mapped files, whose pages the kernel takes when it needs them: what `storage.memory` counts. */
export function anonymousBytes(pid) {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

/** Keep every thread of a process on these cores. */
export function pin(pid, cores) {
  execFileSync('taskset', ['-acp', cores, String(pid)], { stdio: 'ignore' })
}

export function machine() {
  const kernel = readFileSync('/proc/version', 'utf8').split(' ')[2]
  const load = loadavg().map(x => x.toFixed(1)).join(' ')
  return `${cpus().length} cores ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernel}, load ${load}`
}
