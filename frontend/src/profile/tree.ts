/** The call tree of a profile, in typed arrays. */
import type { Profile } from './decode'

/**
 * Nodes are numbered in the order of a walk over the sorted stacks (parents first), so the nodes below n are
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

export function buildTree(profile: Profile): Tree {
  const tree = growNodes(profile)
  addUp(tree)
  arrangeChildren(tree)
  return tree
}

function growNodes(profile: Profile): Tree {
  const { frames, offsets, values, counts } = profile
  const tree = emptyTree(frames.length + 1)
  const path = new Int32Array(longestStack(offsets) + 1)
  let size = 1
  for (let stack = 0, depth = 0; stack < values.length; stack++) {
    const start = offsets[stack]
    const length = offsets[stack + 1] - start
    let shared = 0
    while (shared < depth && shared < length && tree.frame[path[shared + 1]] === frames[start + shared])
      shared++
    for (let d = shared; d < length; d++) {
      const node = size++
      tree.parent[node] = path[d]
      tree.frame[node] = frames[start + d]
      tree.depth[node] = d + 1
      path[d + 1] = node
    }
    tree.self[path[length]] += values[stack]
    tree.selfCount[path[length]] += counts[stack]
    depth = length
    tree.maxDepth = Math.max(tree.maxDepth, length)
  }
  return shrink(tree, size)
}

function emptyTree(capacity: number): Tree {
  const parent = new Int32Array(capacity)
  parent[0] = -1
  const frame = new Int32Array(capacity)
  frame[0] = -1
  return {
    size: 1,
    maxDepth: 0,
    parent,
    frame,
    depth: new Uint16Array(capacity),
    total: new Float64Array(0),
    self: new Float64Array(capacity),
    totalCount: new Float64Array(0),
    selfCount: new Float64Array(capacity),
    descendants: new Int32Array(0),
    left: new Float64Array(0),
    childStart: new Int32Array(0),
    children: new Int32Array(0),
  }
}

/** Copies, so that the memory for frames that stacks share is not kept. */
function shrink(tree: Tree, size: number): Tree {
  return {
    ...tree,
    size,
    parent: tree.parent.slice(0, size),
    frame: tree.frame.slice(0, size),
    depth: tree.depth.slice(0, size),
    self: tree.self.slice(0, size),
    selfCount: tree.selfCount.slice(0, size),
  }
}

function longestStack(offsets: Int32Array): number {
  let longest = 0
  for (let i = 1; i < offsets.length; i++) longest = Math.max(longest, offsets[i] - offsets[i - 1])
  return longest
}

function addUp(tree: Tree) {
  tree.total = tree.self.slice()
  tree.totalCount = tree.selfCount.slice()
  tree.descendants = new Int32Array(tree.size)
  for (let node = tree.size - 1; node > 0; node--) {
    const parent = tree.parent[node]
    tree.total[parent] += tree.total[node]
    tree.totalCount[parent] += tree.totalCount[node]
    tree.descendants[parent] += tree.descendants[node] + 1
  }
}

function arrangeChildren(tree: Tree) {
  const { size, parent, total } = tree
  const start = new Int32Array(size + 1)
  for (let node = 1; node < size; node++) start[parent[node] + 1]++
  for (let node = 0; node < size; node++) start[node + 1] += start[node]
  const children = new Int32Array(size - 1)
  const next = start.slice()
  for (let node = 1; node < size; node++) children[next[parent[node]]++] = node
  const left = new Float64Array(size)
  for (let node = 0; node < size; node++) {
    if (start[node + 1] - start[node] > 1) {
      children.subarray(start[node], start[node + 1]).sort((a, b) => total[b] - total[a] || a - b)
    }
    let at = left[node]
    for (let i = start[node]; i < start[node + 1]; i++) {
      left[children[i]] = at
      at += total[children[i]]
    }
  }
  tree.childStart = start
  tree.children = children
  tree.left = left
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
