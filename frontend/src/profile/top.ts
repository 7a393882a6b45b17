/** Self and total by function. */
import { OMITTED, type Profile } from './decode'
import type { Tree } from './tree'

/** One function of the table. `fn` is its index in the profile on screen, or -1 if pruning left it out there. */
export interface TopRow {
  fn: number
  name: string
  kind: number
  self: number
  selfCount: number
  total: number
  totalCount: number
}

/**
 * Self and total of every function in the tree. A function that calls itself counts once in its total. What pruning
 * cut off is no row: it is no function.
 */
export function topTable(profile: Profile, tree: Tree): TopRow[] {
  const sums = sumByFunction(profile.functions.length, tree)
  const rows: TopRow[] = []
  for (let fn = 0; fn < profile.functions.length; fn++) {
    if (!sums.seen[fn] || profile.kinds[fn] === OMITTED) continue
    rows.push({
      fn,
      name: profile.functions[fn],
      kind: profile.kinds[fn],
      self: sums.self[fn],
      selfCount: sums.selfCount[fn],
      total: sums.total[fn],
      totalCount: sums.totalCount[fn],
    })
  }
  return rows
}

/** Of one function: its row, or undefined if it does not occur. */
export function topRow(profile: Profile, tree: Tree, fn: number): TopRow | undefined {
  const row: TopRow = {
    fn,
    name: profile.functions[fn],
    kind: profile.kinds[fn],
    self: 0,
    selfCount: 0,
    total: 0,
    totalCount: 0,
  }
  let until = -1 // last node below the outermost call
  for (let node = 1; node < tree.size; node++) {
    if (tree.frame[node] !== fn) continue
    row.self += tree.self[node]
    row.selfCount += tree.selfCount[node]
    if (node <= until) continue
    until = node + tree.descendants[node]
    row.total += tree.total[node]
    row.totalCount += tree.totalCount[node]
  }
  return until < 0 ? undefined : row
}

function sumByFunction(functions: number, tree: Tree) {
  const self = new Float64Array(functions)
  const selfCount = new Float64Array(functions)
  const total = new Float64Array(functions)
  const totalCount = new Float64Array(functions)
  const seen = new Uint8Array(functions)
  const until = new Int32Array(functions).fill(-1) // last node below the outermost call on the path
  for (let node = 1; node < tree.size; node++) {
    const fn = tree.frame[node]
    seen[fn] = 1
    self[fn] += tree.self[node]
    selfCount[fn] += tree.selfCount[node]
    if (until[fn] >= node) continue
    until[fn] = node + tree.descendants[node]
    total[fn] += tree.total[node]
    totalCount[fn] += tree.totalCount[node]
  }
  return { self, selfCount, total, totalCount, seen }
}

export type TopOrder = 'self' | 'total' | 'name'

/** Sorts a copy: amounts heaviest first, names from A, or the other way round; equal amounts by name. */
export function sortTop(rows: TopRow[], order: TopOrder, turned = false): TopRow[] {
  const byName = (a: TopRow, b: TopRow) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  const sign = turned ? -1 : 1
  return rows
    .slice()
    .sort(
      order === 'name'
        ? (a, b) => sign * byName(a, b)
        : (a, b) => sign * (b[order] - a[order]) || byName(a, b),
    )
}
