// compare.mjs -- one question to two servers: what differs in the answers, in words; null when nothing does.

export async function ask(server, query, when) {
  const response = await fetch(`${server.url}/api/v1/query${'start' in when ? '_range' : ''}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ query, ...when }),
  })
  return { ...await response.json(), status: response.status }
}

const number = text => Number(text.replace('Inf', 'Infinity'))

/** A histogram as a flat list: its bounds and counts one after another, then sum and count. */
const flat = h => [...(h.buckets ?? []).flatMap(bucket => bucket.map(x => Number(x))), number(h.sum), number(h.count)]

/** { labels: { time: [numbers] } } of any result. */
function tabulate({ resultType, result }) {
  if (resultType === 'scalar' || resultType === 'string') return { '': { [result[0]]: [number(result[1])] } }
  const rows = {}
  for (const { metric, values, value, histograms, histogram } of result) {
    const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)))
    rows[key] = Object.fromEntries([
      ...(values ?? (value ? [value] : [])).map(([t, v]) => [t, [number(v)]]),
      ...(histograms ?? (histogram ? [histogram] : [])).map(([t, h]) => [t, flat(h)]),
    ])
  }
  return rows
}

/** Sums of many terms differ in their last digits, and what is left of a cancellation in more: compare with the terms' size. */
function same(a, b, scale) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b)
  return a === b || Math.abs(a - b) <= 1e-7 * Math.max(Math.abs(a), Math.abs(b)) + 1e-9 * scale
}

function valuesDiffer(ours, theirs) {
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    if (!ours[key] || !theirs[key]) return `${ours[key] ? 'only cQED' : 'only Prometheus'} has ${key}`
    const scale = Math.max(1, ...Object.values(theirs[key]).flat().filter(Number.isFinite).map(Math.abs))
    for (const t of new Set([...Object.keys(ours[key]), ...Object.keys(theirs[key])])) {
      const a = ours[key][t], b = theirs[key][t]
      if (!a || !b || a.length !== b.length || !a.every((v, i) => same(v, b[i], scale)))
        return `${key} at ${t}: cQED ${a}, Prometheus ${b}`
    }
  }
  return null
}

/**
 * Prometheus counts mended samples of a range wrongly: it doubles what it has with each step. Of two kinds of histograms that
 * meet in a group, it names the one that its store has later.
 */
const known = note => note.replace(/over -?\d+ samples/, 'over some samples')
  .replace(/(a mix of histograms with exponential and custom buckets schemas for metric name) "\w+"/, '$1')

function notesDiffer(ours, theirs) {
  for (const kind of ['warnings', 'infos']) {
    const a = new Set((ours[kind] ?? []).map(known)), b = new Set((theirs[kind] ?? []).map(known))
    for (const note of a) if (!b.has(note)) return `only cQED ${kind}: ${note}`
    for (const note of b) if (!a.has(note)) return `only Prometheus ${kind}: ${note}`
  }
  return null
}

/** `notes`: the warnings and infos are to be the same too. */
export function difference(ours, theirs, { notes }) {
  if (ours.status !== theirs.status && (ours.status >= 500 || theirs.status === 200 || ours.status === 200))
    return `cQED ${ours.status} ${ours.error ?? ''}, Prometheus ${theirs.status} ${theirs.error ?? ''}`
  if (theirs.status !== 200) return null
  return valuesDiffer(tabulate(ours.data), tabulate(theirs.data)) ?? (notes ? notesDiffer(ours, theirs) : null)
}
