/** Two selections on one call tree, made comparable. */
import type { Diff, DiffSide } from '../api/types'
import type { Scale } from '../url'
import { decode, OMITTED, type Profile } from './decode'
import { buildTree, type Tree } from './tree'

export type SideName = 'base' | 'head'

/** Amounts by node of one side, as they were measured: in the type's unit, or in counts where values are unknown. */
export interface Amounts {
  self: Float64Array
  total: Float64Array
  selfCount: Float64Array
  totalCount: Float64Array
}

/** How amounts of a side become comparable: the divisors of values and of counts; 0 if nothing was recorded. */
export interface Divisor {
  value: number
  count: number
}

/**
 * Node n of the tree is node n of the amounts. The tree is as wide as both sides together, each by its divisor, so
 * that what is gone has its place as well as what is new.
 */
export interface Comparison {
  profile: Profile
  tree: Tree
  base: Amounts
  head: Amounts
  divisors: Record<SideName, Divisor>
  change: Float32Array // by node, -1 (gone) … 1 (new), 0 where sampling alone explains it; see changeOf
  byCount: boolean // no sample of one of the sides has a value
}

/** A difference of fewer standard deviations may come from sampling alone, and is drawn as none. */
const NOISE = 2

/** Throws DecodeError if the answer contradicts itself. */
export function compare(diff: Diff, scale: Scale): Comparison {
  const byCount = [diff.base, diff.head].some(side => side.total.value === 0 && side.total.count > 0)
  const columns = (side: DiffSide) => decode({ ...diff, ...measured(side, byCount) })
  const given = { base: columns(diff.base), head: columns(diff.head) }
  const divisors = { base: divisorOf(diff.base, scale, byCount), head: divisorOf(diff.head, scale, byCount) }
  const weights = weigh(given, divisors)
  const order = heaviestFirst(given.base.parents, totalsOf(given.base.parents, weights))
  const profile = reorder({ ...given.base, values: weights }, order)
  const base = amountsOf(reorder(given.base, order))
  const head = amountsOf(reorder(given.head, order))
  const change = Float32Array.from(order, (_, node) => changeOf(base, head, divisors, node))
  return { profile, tree: buildTree(profile), base, head, divisors, change, byCount }
}

/** The side of which nothing can be compared: it has no recording, or, where shares are compared, no sample. */
export function emptySide({ divisors }: Comparison): SideName | undefined {
  return (['base', 'head'] as const).find(name => divisors[name].count <= 0)
}

function measured({ values, counts }: DiffSide, byCount: boolean) {
  return { values: byCount ? counts : values, counts }
}

function divisorOf({ coverage, total }: DiffSide, scale: Scale, byCount: boolean): Divisor {
  if (scale === 'rate') return { value: coverage.recordedSeconds, count: coverage.recordedSeconds }
  return { value: byCount ? total.count : total.value, count: total.count }
}

function weigh(given: Record<SideName, Profile>, divisors: Record<SideName, Divisor>): Float64Array {
  const [base, head] = [given.base.values, given.head.values]
  return base.map((b, node) => part(b, divisors.base.value) + part(head[node], divisors.head.value))
}

/** A comparable amount; 0 where there is nothing to divide by. */
export function part(amount: number, divisor: number): number {
  return divisor > 0 ? amount / divisor : 0
}

function totalsOf(parents: Int32Array, self: Float64Array): Float64Array {
  const total = self.slice()
  for (let node = parents.length - 1; node > 0; node--) total[parents[node]] += total[node]
  return total
}

/** The old numbers of the nodes in the order of a walk, siblings heaviest first, without what holds nothing. */
function heaviestFirst(parents: Int32Array, totals: Float64Array): Int32Array {
  const children: number[][] = Array.from(parents, () => [])
  for (let node = 1; node < parents.length; node++) if (totals[node] > 0) children[parents[node]].push(node)
  const order: number[] = []
  const stack = [0]
  while (stack.length > 0) {
    const node = stack.pop() as number
    order.push(node)
    stack.push(...children[node].sort((a, b) => totals[a] - totals[b] || b - a))
  }
  return Int32Array.from(order)
}

function reorder(profile: Profile, order: Int32Array): Profile {
  const renumbered = new Int32Array(profile.parents.length).fill(-1)
  order.forEach((old, node) => {
    renumbered[old] = node
  })
  return {
    functions: profile.functions,
    kinds: profile.kinds,
    parents: Int32Array.from(order, old => (old === 0 ? -1 : renumbered[profile.parents[old]])),
    frames: Int32Array.from(order, old => profile.frames[old]),
    values: Float64Array.from(order, old => profile.values[old]),
    counts: Float64Array.from(order, old => profile.counts[old]),
  }
}

function amountsOf({ parents, values, counts }: Profile): Amounts {
  return {
    self: values,
    total: totalsOf(parents, values),
    selfCount: counts,
    totalCount: totalsOf(parents, counts),
  }
}

function changeOf(base: Amounts, head: Amounts, divisors: Record<SideName, Divisor>, node: number): number {
  const [b, h] = [
    { value: base.total[node], count: base.totalCount[node] },
    { value: head.total[node], count: head.totalCount[node] },
  ]
  if (isNoise(b.count, h.count, divisors)) return 0
  return strength(part(b.value, divisors.base.value), part(h.value, divisors.head.value))
}

/** 1 where the amount has doubled or is new, -1 where it has halved or is gone. */
export function strength(base: number, head: number): number {
  if (base === head) return 0
  if (base === 0 || head === 0) return base === 0 ? 1 : -1
  return Math.min(Math.max(Math.log2(head / base), -1), 1)
}

/** Whether counts differ by no more than sampling alone makes them: Poisson, for want of anything better. */
export function isNoise(base: number, head: number, divisors: Record<SideName, Divisor>): boolean {
  const { base: b, head: h } = divisors
  if (b.count <= 0 || h.count <= 0) return true
  const difference = head / h.count - base / b.count
  const variance = head / h.count ** 2 + base / b.count ** 2
  return Math.abs(difference) <= NOISE * Math.sqrt(variance)
}

/** One side alone, drawn in its own order. */
export function sideAlone(
  { profile, base, head }: Comparison,
  name: SideName,
): { profile: Profile; tree: Tree } {
  const side = name === 'base' ? base : head
  const alone = reorder(
    { ...profile, values: side.self, counts: side.selfCount },
    heaviestFirst(profile.parents, side.total),
  )
  return { profile: alone, tree: buildTree(alone) }
}

/** A function on both sides, in comparable amounts: per second recorded, or shares of the totals. */
export interface ChangeRow {
  fn: number
  name: string
  kind: number
  self: Pair
  total: Pair
}

export interface Pair {
  base: number
  head: number
  noise: boolean // sampling alone explains the difference
}

/** Every function of the comparison. A function that calls itself counts once in its total. */
export function changeRows({ profile, tree, base, head, divisors }: Comparison): ChangeRow[] {
  const sums = { base: sumsByFunction(profile, tree, base), head: sumsByFunction(profile, tree, head) }
  const pair = (what: 'self' | 'total', fn: number): Pair => ({
    base: part(sums.base[what][fn], divisors.base.value),
    head: part(sums.head[what][fn], divisors.head.value),
    noise: isNoise(sums.base[`${what}Count`][fn], sums.head[`${what}Count`][fn], divisors),
  })
  return profile.functions.flatMap((name, fn) => {
    const kind = profile.kinds[fn]
    if (kind === OMITTED) return []
    const row = { fn, name, kind, self: pair('self', fn), total: pair('total', fn) }
    return row.total.base > 0 || row.total.head > 0 ? [row] : []
  })
}

function sumsByFunction({ functions }: Profile, tree: Tree, amounts: Amounts): Amounts {
  const sums: Amounts = {
    self: new Float64Array(functions.length),
    total: new Float64Array(functions.length),
    selfCount: new Float64Array(functions.length),
    totalCount: new Float64Array(functions.length),
  }
  const until = new Int32Array(functions.length).fill(-1) // last node below the outermost call on the path
  for (let node = 1; node < tree.size; node++) {
    const fn = tree.frame[node]
    sums.self[fn] += amounts.self[node]
    sums.selfCount[fn] += amounts.selfCount[node]
    if (until[fn] >= node) continue
    until[fn] = node + tree.descendants[node]
    sums.total[fn] += amounts.total[node]
    sums.totalCount[fn] += amounts.totalCount[node]
  }
  return sums
}

/** What holds something by the measure: more first, or less first; what sampling explains comes last either way. */
export function sortChanges(rows: ChangeRow[], measure: 'self' | 'total', lessFirst: boolean): ChangeRow[] {
  const sign = lessFirst ? -1 : 1
  const difference = (row: ChangeRow) => (row[measure].head - row[measure].base) * sign
  return rows
    .filter(row => row[measure].base > 0 || row[measure].head > 0)
    .sort(
      (a, b) =>
        Number(a[measure].noise) - Number(b[measure].noise) ||
        difference(b) - difference(a) ||
        (a.name < b.name ? -1 : 1),
    )
}
