// say.mjs -- what a person at a terminal reads. Colours only on a terminal.

const tty = process.stdout.isTTY && !process.env.NO_COLOR
const paint = code => text => (tty ? `\x1b[${code}m${text}\x1b[0m` : text)
export const bold = paint(1)
export const dim = paint(2)
const red = paint(31)
const green = paint(32)
const yellow = paint(33)

const began = Date.now()
export const since = (ms = Date.now()) => (ms - began) / 1000

/** "1:07.3" since the demo began. */
function clock(ms) {
  const s = Math.max(0, since(ms))
  return `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, '0')}`
}

export function title(text) {
  console.log(`\n${bold(text)}`)
}

/** Words broken into lines of at most `width`. */
function wrap(text, width) {
  const lines = ['']
  for (const word of text.split(/\s+/)) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= width) lines.push('')
    lines[lines.length - 1] += (lines.at(-1) ? ' ' : '') + word
  }
  return lines
}

const colours = { rollback: red, rolled_back: red, pause: yellow, promote: green, succeed: green, advance: green }

/** One line of the timeline: when, who, at which weight, what, and why below when it is long. */
export function line(what, text, { who = '', pct = null, atMs } = {}) {
  const head = `${clock(atMs).padStart(7)}  ${who.padEnd(3)} ${(pct === null ? '' : `${pct}%`).padStart(4)}  `
  const lines = wrap(text, Math.max(40, (process.stdout.columns ?? 130) - head.length - 12))
  console.log(dim(head) + (colours[what] ?? (x => x))(what.padEnd(11)) + ' ' + lines[0])
  for (const more of lines.slice(1)) console.log(' '.repeat(head.length + 12) + more)
}

export const good = text => console.log(`${green('✓')} ${text}`)
export const bad = text => console.log(`${red('✗')} ${text}`)

export function table(columns, rows) {
  const cells = [columns, ...rows].map(row => row.map(String))
  const widths = columns.map((_, i) => Math.max(...cells.map(row => row[i].length)))
  const rule = widths.map(w => '─'.repeat(w)).join('──')
  const print = row => row.map((cell, i) => cell.padEnd(widths[i])).join('  ').trimEnd()
  console.log([bold(print(cells[0])), rule, ...cells.slice(1).map(print)].join('\n'))
}
