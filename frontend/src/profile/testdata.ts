/** Small profiles for tests: stacks as "a;b;c" with a value; a count is a tenth of its value. */
import { graphOf } from '../../e2e/fixture/graph'
import { decode, type Profile } from './decode'
import { buildTree, type Tree } from './tree'

export function profileOf(stacks: Record<string, number>, kinds: Record<string, string> = {}): Profile {
  const names = [...new Set(Object.keys(stacks).flatMap(stack => stack.split(';')))].filter(Boolean).sort()
  const entries = Object.entries(stacks).map(([stack, value]) => ({
    frames: stack
      .split(';')
      .filter(Boolean)
      .map(name => names.indexOf(name)),
    value,
  }))
  const set = {
    functions: names,
    kinds: names.map(name => kinds[name] ?? 'java'),
    frames: entries.map(e => e.frames),
    values: entries.map(e => e.value),
    counts: entries.map(e => e.value / 10),
  }
  return decode(graphOf(set))
}

export function treeOf(stacks: Record<string, number>): { profile: Profile; tree: Tree } {
  const profile = profileOf(stacks)
  return { profile, tree: buildTree(profile) }
}

/** The node at the path "a;b". Throws if there is none: a test asked for it. */
export function nodeAt(profile: Profile, tree: Tree, path: string): number {
  const names = path.split(';')
  for (let node = 1; node < tree.size; node++) {
    let n = node
    let i = names.length - 1
    while (n > 0 && i >= 0 && profile.functions[tree.frame[n]] === names[i]) {
      n = tree.parent[n]
      i--
    }
    if (n === 0 && i < 0) return node
  }
  throw new Error(`no node at ${path}`)
}
