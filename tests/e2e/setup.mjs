// setup.mjs -- what the end-to-end and crash tests share: the demo's stage with quicker steps, and an end that
// looks whether cQED itself is well.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stage } from '../../demo/lib/stage.mjs'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const binary = resolve(process.env.CQED ?? join(root, 'build/asan/cqed'))
if (!existsSync(binary)) throw new Error(`there is no ${binary}; build it, or name another with CQED=`)

export const folderOf = name => join(dirname(binary), 'e2e', name)

/** Change a file of the policies: each [from, to] must be there. */
export function edit(file, ...changes) {
  let text = readFileSync(file, 'utf8')
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${file} does not say '${from}'`)
    text = text.replaceAll(from, to)
  }
  writeFileSync(file, text)
}

/** Fewer seconds than the demo takes: the first step is 25%, so that the judge has enough to see at once. */
export function quicken(folder) {
  edit(join(folder, 'rollout.yaml'),
    ['    - { weight: 5, hold: 5s }\n', ''], ['{ weight: 25, hold: 4s }', '{ weight: 25, hold: 1s }'],
    ['{ weight: 50, hold: 4s }', '{ weight: 50, hold: 1s }'], ['{ weight: 100, hold: 4s }', '{ weight: 100, hold: 1s }'])
}

export function stageOf(name, more = () => {}) {
  return new Stage({
    folder: folderOf(name),
    binary,
    edit: folder => {
      quicken(folder)
      more(folder)
    },
  })
}

/** Stop cQED as an operator does: it ends by itself with 0, and no sanitizer had anything to say. */
export async function closeSound(stage) {
  const program = stage.cqed.program
  await stage.traffic.stop()
  const alive = program && !program.exit
  await stage.cqed.stop()
  await stage.close()
  if (!program) return
  const log = readFileSync(program.log, 'utf8')
  const report = /(ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|CHECK failed)[^]{0,3000}/.exec(log)
  assert.equal(report, null, report?.[0])
  if (alive) assert.deepEqual(program.exit, { code: 0, signal: null }, `cqed, asked to stop: see ${program.log}`)
}
