/** Search by function name: a substring without regard to case, or /regex/. */
import type { Tree } from './tree'

export const MAX_QUERY_LENGTH = 256

export type Query =
  | { kind: 'none' }
  | { kind: 'invalid'; message: string }
  | { kind: 'valid'; matches: (name: string) => boolean }

export function parseQuery(text: string): Query {
  const query = text.slice(0, MAX_QUERY_LENGTH)
  if (query.trim() === '') return { kind: 'none' }
  const regex = /^\/(.+)\/(i?)$/.exec(query)
  if (regex === null) {
    const needle = query.toLowerCase()
    return { kind: 'valid', matches: name => name.toLowerCase().includes(needle) }
  }
  try {
    const compiled = new RegExp(regex[1], regex[2])
    return { kind: 'valid', matches: name => compiled.test(name) }
  } catch (error) {
    return { kind: 'invalid', message: error instanceof Error ? error.message : String(error) }
  }
}

/** By function: 1 where the name matches. */
export function matchFunctions(functions: string[], matches: (name: string) => boolean): Uint8Array {
  return Uint8Array.from(functions, name => (matches(name) ? 1 : 0))
}

export interface Matched {
  value: number
  count: number
  nodes: number // nodes that match, nested ones too
}

/** What the matching nodes at and below root amount to; a match below a match counts once. */
export function matchedAmount(tree: Tree, matched: Uint8Array, root: number): Matched {
  const sum: Matched = { value: 0, count: 0, nodes: 0 }
  const last = root + tree.descendants[root]
  let until = -1
  for (let node = Math.max(root, 1); node <= last; node++) {
    if (matched[tree.frame[node]] === 0) continue
    sum.nodes++
    if (node <= until) continue
    until = node + tree.descendants[node]
    sum.value += tree.total[node]
    sum.count += tree.totalCount[node]
  }
  return sum
}

/** The matching nodes at and below root in reading order: from left to right, then downwards. */
export function matchingNodes(tree: Tree, matched: Uint8Array, root: number): Int32Array {
  const nodes: number[] = []
  const last = root + tree.descendants[root]
  for (let node = Math.max(root, 1); node <= last; node++) {
    if (matched[tree.frame[node]] === 1) nodes.push(node)
  }
  nodes.sort((a, b) => tree.left[a] - tree.left[b] || tree.depth[a] - tree.depth[b])
  return Int32Array.from(nodes)
}
