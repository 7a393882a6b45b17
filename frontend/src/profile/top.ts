/** Self and total by function. */
import { OMITTED, type Profile } from './decode'
import { ROOT, type Tree } from './tree'

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
 * Self and total of every function in the tree below root (root included). A function that calls itself counts
 * once in its total. What pruning cut off is no row: it is no function.
 */
export function topTable(profile: Profile, tree: Tree, root = ROOT): TopRow[] {
  const sums = sumByFunction(profile.functions.length, tree, root)
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

function sumByFunction(functions: number, tree: Tree, root: number) {
  const self = new Float64Array(functions)
  const selfCount = new Float64Array(functions)
  const total = new Float64Array(functions)
  const totalCount = new Float64Array(functions)
  const seen = new Uint8Array(functions)
  const until = new Int32Array(functions).fill(-1) // last node below the outermost call on the path
  const first = Math.max(root, 1)
  const last = root + tree.descendants[root]
  for (let node = first; node <= last; node++) {
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

/** Sorts a copy: amounts heaviest first, names from A; equal amounts by name. */
export function sortTop(rows: TopRow[], order: TopOrder): TopRow[] {
  const byName = (a: TopRow, b: TopRow) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  return rows.slice().sort(order === 'name' ? byName : (a, b) => b[order] - a[order] || byName(a, b))
}
