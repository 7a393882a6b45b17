/** What a user does to a call tree: each step gives a new one; the steps stand in the URL and can be undone. */
import type { Profile } from './decode'
import { type Mapping, merge } from './merge'
import { ROOT, type Tree } from './tree'

/**
 * focus: only stacks with the function; hide: its frames are merged into their callers; remove: no stack with it;
 * recursion: its calls below itself become one frame; library: adjacent frames of the package become one.
 */
export type StepKind = 'focus' | 'hide' | 'remove' | 'recursion' | 'library'

export interface Step {
  kind: StepKind
  name: string // of the function; of the package for library
}

/** No node has it, not even the root, which has -1. */
const NO_FUNCTION = -2

const KINDS: readonly StepKind[] = ['focus', 'hide', 'remove', 'recursion', 'library']

export function formatStep({ kind, name }: Step): string {
  return `${kind}:${name}`
}

export function parseStep(text: string): Step | undefined {
  const colon = text.indexOf(':')
  const kind = KINDS.find(k => k === text.slice(0, colon))
  const name = text.slice(colon + 1)
  return kind === undefined || name === '' ? undefined : { kind, name }
}

/** The profile after one step. Functions keep their indexes; a library adds one of its own. */
export function applyStep(profile: Profile, tree: Tree, step: Step): Profile {
  const known = profile.functions.indexOf(step.name)
  const fn = known < 0 ? NO_FUNCTION : known
  switch (step.kind) {
    case 'focus':
      return focus(profile, tree, fn)
    case 'remove':
      return merge(profile, tree, (node, up) => (tree.frame[node] === fn ? undefined : { up }))
    case 'hide':
      return merge(profile, tree, (node, up) => ({ up, into: tree.frame[node] === fn }))
    case 'recursion':
      return collapseRecursion(profile, tree, fn)
    case 'library':
      return collapseLibrary(profile, tree, step.name)
  }
}

/** Frames of the functions that are marked are merged into their callers. */
export function foldFunctions(profile: Profile, tree: Tree, folded: Uint8Array): Profile {
  return merge(profile, tree, (node, up) => ({ up, into: folded[tree.frame[node]] === 1 }))
}

function focus(profile: Profile, tree: Tree, fn: number): Profile {
  let until = -1 // last node below the outermost call
  const map = (node: number, up: number): Mapping => {
    if (tree.frame[node] === fn && node > until) until = node + tree.descendants[node]
    return { up, empty: node > until }
  }
  return merge(profile, tree, map, false)
}

function collapseRecursion(profile: Profile, tree: Tree, fn: number): Profile {
  const outer = new Int32Array(tree.size).fill(-1) // the nearest node of the function on the path
  return merge(profile, tree, (node, up, targets) => {
    const above = outer[tree.parent[node]]
    if (tree.frame[node] !== fn) {
      outer[node] = above
      return { up }
    }
    outer[node] = above < 0 ? node : above
    return above < 0 ? { up } : { up: targets[above], into: true }
  })
}

function collapseLibrary(profile: Profile, tree: Tree, library: string): Profile {
  const inside = Uint8Array.from(profile.functions, name => (isWithin(name, library) ? 1 : 0))
  const merged = profile.functions.length
  const first = profile.functions.findIndex((_, fn) => inside[fn] === 1)
  const grown: Profile = {
    ...profile,
    functions: [...profile.functions, `${library}.*`],
    kinds: Uint8Array.from([...profile.kinds, profile.kinds[Math.max(first, 0)] ?? 0]),
  }
  return merge(grown, tree, (node, up): Mapping => {
    if (inside[tree.frame[node]] === 0) return { up }
    const parent = tree.parent[node]
    return parent !== ROOT && inside[tree.frame[parent]] === 1 ? { up, into: true } : { up, frame: merged }
  })
}

/** Whether a function is of the package or of one below it. */
export function isWithin(name: string, library: string): boolean {
  return name.startsWith(library) && (name[library.length] === '.' || name[library.length] === '/')
}
