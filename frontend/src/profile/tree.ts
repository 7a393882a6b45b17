/** The call tree of a profile, in typed arrays. */
import type { Profile } from './decode'

/**
 * Nodes are numbered in the order of a walk, siblings heaviest first, so the nodes below n are
 * n+1 … n+descendants[n]. Node 0 is the root: it has no function and stands for everything.
 */
export interface Tree {
  size: number
  maxDepth: number
  parent: Int32Array
  frame: Int32Array // index into Profile.functions; -1 for the root
  depth: Uint16Array // the root has 0
  total: Float64Array
  self: Float64Array
  totalCount: Float64Array
  selfCount: Float64Array
  descendants: Int32Array
  left: Float64Array // where the node starts on the value axis, heaviest sibling first
  childStart: Int32Array // children of n are children[childStart[n]..childStart[n+1]], heaviest first
  children: Int32Array
}

export const ROOT = 0

/** Adds up what the nodes of an answer hold: the tree is there already. */
export function buildTree(profile: Profile): Tree {
  const { parents: parent, frames: frame, values: self, counts: selfCount } = profile
  const size = parent.length
  const total = self.slice()
  const totalCount = selfCount.slice()
  const descendants = new Int32Array(size)
  for (let node = size - 1; node > 0; node--) {
    const up = parent[node]
    total[up] += total[node]
    totalCount[up] += totalCount[node]
    descendants[up] += descendants[node] + 1
  }
  const depth = new Uint16Array(size)
  let maxDepth = 0
  for (let node = 1; node < size; node++) {
    depth[node] = depth[parent[node]] + 1
    if (depth[node] > maxDepth) maxDepth = depth[node]
  }
  const sums = { parent, frame, self, selfCount, total, totalCount, descendants, depth }
  return { size, maxDepth, ...sums, ...arrangeChildren(parent, total) }
}

function arrangeChildren(parent: Int32Array, total: Float64Array) {
  const size = parent.length
  const childStart = new Int32Array(size + 1)
  for (let node = 1; node < size; node++) childStart[parent[node] + 1]++
  for (let node = 0; node < size; node++) childStart[node + 1] += childStart[node]
  const children = new Int32Array(size - 1)
  const next = childStart.slice()
  const left = new Float64Array(size)
  const end = new Float64Array(size) // of the children placed so far
  for (let node = 1; node < size; node++) {
    const up = parent[node]
    children[next[up]++] = node
    left[node] = end[node] = end[up]
    end[up] += total[node]
  }
  return { childStart, children, left }
}

/** The nodes from below the root down to node. */
export function pathTo(tree: Tree, node: number): number[] {
  const path: number[] = []
  for (let n = node; n > ROOT; n = tree.parent[n]) path.push(n)
  return path.reverse()
}

/** The node that these function names lead to, as far as they exist: a shared link survives changed data. */
export function findPath(tree: Tree, functions: string[], names: string[]): number {
  let node = ROOT
  for (const name of names) {
    const next = childNamed(tree, functions, node, name)
    if (next === undefined) return node
    node = next
  }
  return node
}

function childNamed(tree: Tree, functions: string[], node: number, name: string): number | undefined {
  for (let i = tree.childStart[node]; i < tree.childStart[node + 1]; i++) {
    const child = tree.children[i]
    if (functions[tree.frame[child]] === name) return child
  }
  return undefined
}
