/** What the limit of nodes has left out below a frame. */
import { OMITTED, type Profile } from './decode'
import { pathTo, ROOT, type Tree } from './tree'

/** The sum of the omitted frames at a node and below it. */
export function omittedBelow({ kinds }: Profile, tree: Tree, node: number): number {
  let omitted = 0
  for (let at = Math.max(node, 1); at <= node + tree.descendants[node]; at++) {
    if (kinds[tree.frame[at]] === OMITTED) omitted += tree.self[at]
  }
  return omitted
}

/** The names down to the frame whose omitted frames can be asked for: of omitted frames, the one that they are below. */
export function pathToOmitted({ functions, kinds }: Profile, tree: Tree, node: number): string[] {
  const isOmitted = node !== ROOT && kinds[tree.frame[node]] === OMITTED
  return pathTo(tree, isOmitted ? tree.parent[node] : node).map(n => functions[tree.frame[n]])
}
