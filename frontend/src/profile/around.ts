/** Callers and callees of a function, from the tree on screen. A recursive function counts at its outermost call. */
import type { Profile } from './decode'
import { TreeBuilder } from './merge'
import { ROOT, type Tree } from './tree'

/** Upside down: below the root the function, below that its callers. */
export function callersOf(profile: Profile, tree: Tree, fn: number): Profile {
  const builder = new TreeBuilder(profile.functions.length)
  for (const node of outermost(tree, fn)) {
    let at = builder.child(ROOT, fn)
    for (let up = tree.parent[node]; up > ROOT; up = tree.parent[up]) at = builder.child(at, tree.frame[up])
    builder.add(at, tree.total[node], tree.totalCount[node])
  }
  return builder.finish(profile)
}

/** Below the root the function, with all its calls merged. */
export function calleesOf(profile: Profile, tree: Tree, fn: number): Profile {
  const builder = new TreeBuilder(profile.functions.length)
  const targets = new Int32Array(tree.size)
  for (const first of outermost(tree, fn)) {
    targets[first] = builder.child(ROOT, fn)
    builder.add(targets[first], tree.self[first], tree.selfCount[first])
    for (let node = first + 1; node <= first + tree.descendants[first]; node++) {
      targets[node] = builder.child(targets[tree.parent[node]], tree.frame[node])
      builder.add(targets[node], tree.self[node], tree.selfCount[node])
    }
  }
  return builder.finish(profile)
}

function outermost(tree: Tree, fn: number): number[] {
  const found: number[] = []
  for (let node = 1; node < tree.size; node++) {
    if (tree.frame[node] !== fn) continue
    found.push(node)
    node += tree.descendants[node]
  }
  return found
}
