/** A tree made from another: nodes move below other nodes, and those of one function below one node become one. */
import type { Profile } from './decode'
import { ROOT, type Tree } from './tree'

/** Where a node of the old tree goes in the new one. */
export interface Mapping {
  up: number // the new node that it goes below
  into?: boolean // it becomes part of `up` instead
  frame?: number // its function, if it is another than before
  empty?: boolean // what was measured in the node itself does not count
}

/**
 * Asks `map` about every node below the root in the order of the walk, with the new node that its parent became; undefined takes
 * the node and all below it out. What then holds nothing is left out.
 */
export function merge(
  profile: Profile,
  tree: Tree,
  map: (node: number, up: number, targets: Int32Array) => Mapping | undefined,
  rootCounts = true, // whether stacks without a frame stay
): Profile {
  const builder = new TreeBuilder(profile.functions.length)
  const targets = new Int32Array(tree.size).fill(-1)
  targets[ROOT] = ROOT
  if (rootCounts) builder.add(ROOT, tree.self[ROOT], tree.selfCount[ROOT])
  for (let node = 1; node < tree.size; node++) {
    const up = targets[tree.parent[node]]
    if (up < 0) continue
    const to = map(node, up, targets)
    if (to === undefined) continue
    const target = to.into ? to.up : builder.child(to.up, to.frame ?? tree.frame[node])
    targets[node] = target
    if (!to.empty) builder.add(target, tree.self[node], tree.selfCount[node])
  }
  return builder.finish(profile)
}

/** Grows a tree path by path and puts it in the order of a walk, siblings heaviest first. */
export class TreeBuilder {
  private readonly parents: number[] = [-1]
  private readonly frames: number[] = [-1]
  private readonly values: number[] = [0]
  private readonly counts: number[] = [0]
  private readonly known = new Map<number, number>()
  private readonly functions: number

  constructor(functions: number) {
    this.functions = functions
  }

  get size(): number {
    return this.parents.length
  }

  /** The node of the function below another; made if there is none. */
  child(parent: number, frame: number): number {
    const key = parent * this.functions + frame
    const found = this.known.get(key)
    if (found !== undefined) return found
    const node = this.parents.length
    this.known.set(key, node)
    this.parents.push(parent)
    this.frames.push(frame)
    this.values.push(0)
    this.counts.push(0)
    return node
  }

  add(node: number, value: number, count: number) {
    this.values[node] += value
    this.counts[node] += count
  }

  finish({ functions, kinds }: Pick<Profile, 'functions' | 'kinds'>): Profile {
    const { totals, totalCounts } = this.totals()
    const kept = (node: number) => totals[node] > 0 || totalCounts[node] > 0
    const below: number[][] = this.parents.map(() => [])
    for (let node = 1; node < this.size; node++) if (kept(node)) below[this.parents[node]].push(node)
    const order: number[] = []
    const place = new Int32Array(this.size).fill(-1)
    const todo = [ROOT]
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      place[node] = order.length
      order.push(node)
      below[node].sort((a, b) => totals[a] - totals[b] || this.frames[b] - this.frames[a])
      for (const child of below[node]) todo.push(child)
    }
    return {
      functions,
      kinds,
      parents: Int32Array.from(order, node => (node === ROOT ? -1 : place[this.parents[node]])),
      frames: Int32Array.from(order, node => this.frames[node]),
      values: Float64Array.from(order, node => this.values[node]),
      counts: Float64Array.from(order, node => this.counts[node]),
    }
  }

  private totals() {
    const totals = this.values.slice()
    const totalCounts = this.counts.slice()
    for (let node = this.size - 1; node > 0; node--) {
      totals[this.parents[node]] += totals[node]
      totalCounts[this.parents[node]] += totalCounts[node]
    }
    return { totals, totalCounts }
  }
}
