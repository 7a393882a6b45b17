import { describe, expect, test } from 'vitest'
import { encode, graphOf } from '../../e2e/fixture/graph'
import { grown } from '../../e2e/fixture/stacks'
import { calleesOf, callersOf } from './around'
import { decode, type Profile } from './decode'
import { treeOf } from './testdata'
import { applyStep, foldFunctions, formatStep, parseStep, type Step } from './transform'
import { buildTree, pathTo, ROOT, type Tree } from './tree'

const STACKS = { 'main;a;b': 40, 'main;a;c;a;b': 20, 'main;d': 10, 'main;lib.x;lib.y;b': 5, e: 25 }

/** The tree as collapsed stacks again. */
function stacksOf(profile: Profile, tree: Tree = buildTree(profile)): Record<string, number> {
  const out: Record<string, number> = {}
  for (let node = 0; node < tree.size; node++) {
    if (tree.self[node] === 0) continue
    const path = pathTo(tree, node).map(n => profile.functions[tree.frame[n]])
    out[path.join(';')] = tree.self[node]
  }
  return out
}

function done(step: Step, stacks: Record<string, number> = STACKS) {
  const { profile, tree } = treeOf(stacks)
  return stacksOf(applyStep(profile, tree, step))
}

describe('steps', () => {
  test('focus keeps the stacks with the function', () => {
    expect(done({ kind: 'focus', name: 'b' })).toEqual({
      'main;a;b': 40,
      'main;a;c;a;b': 20,
      'main;lib.x;lib.y;b': 5,
    })
  })
  test('remove takes them out', () => {
    expect(done({ kind: 'remove', name: 'a' })).toEqual({ 'main;d': 10, 'main;lib.x;lib.y;b': 5, e: 25 })
  })
  test('hide merges a frame into its caller, and its children with those there', () => {
    expect(done({ kind: 'hide', name: 'a' }, { 'main;a;b': 1, 'main;b': 2, 'main;a': 4, 'a;a': 8 })).toEqual({
      'main;b': 3,
      main: 4,
      '': 8,
    })
  })
  test('recursion: calls below the first become it', () => {
    expect(done({ kind: 'recursion', name: 'a' })).toEqual({
      'main;a;b': 60,
      'main;d': 10,
      'main;lib.x;lib.y;b': 5,
      e: 25,
    })
  })
  test('library: adjacent frames of a package are one', () => {
    expect(
      done({ kind: 'library', name: 'lib' }, { 'm;lib.x;lib.in.y;b;lib.z': 3, 'm;library.x': 2 }),
    ).toEqual({
      'm;lib.*;b;lib.*': 3,
      'm;library.x': 2,
    })
  })
  test('a function that is not there: focus leaves nothing, the others all', () => {
    expect(done({ kind: 'focus', name: 'nobody' })).toEqual({})
    expect(done({ kind: 'remove', name: 'nobody' })).toEqual(STACKS)
    expect(done({ kind: 'recursion', name: 'nobody' })).toEqual(STACKS)
  })
  test('folding a group keeps the sum', () => {
    const { profile, tree } = treeOf(STACKS)
    const folded = Uint8Array.from(profile.functions, name => (name.startsWith('lib.') ? 1 : 0))
    const result = stacksOf(foldFunctions(profile, tree, folded))
    expect(result).toEqual({ 'main;a;b': 40, 'main;a;c;a;b': 20, 'main;d': 10, 'main;b': 5, e: 25 })
  })
  test('text and back', () => {
    const step: Step = { kind: 'library', name: 'a:b.c' }
    expect(parseStep(formatStep(step))).toEqual(step)
    expect([parseStep('focus'), parseStep('focus:'), parseStep('drop:x')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('callers and callees', () => {
  const { profile, tree } = treeOf(STACKS)
  const fn = (name: string) => profile.functions.indexOf(name)
  test('callers are upside down, recursion counts once', () => {
    expect(stacksOf(callersOf(profile, tree, fn('a')))).toEqual({ 'a;main': 60 })
    expect(stacksOf(callersOf(profile, tree, fn('b')))).toEqual({
      'b;a;main': 40,
      'b;a;c;a;main': 20,
      'b;lib.y;lib.x;main': 5,
    })
  })
  test('callees are merged', () => {
    expect(stacksOf(calleesOf(profile, tree, fn('a')))).toEqual({ 'a;b': 40, 'a;c;a;b': 20 })
    expect(stacksOf(calleesOf(profile, tree, fn('nobody')))).toEqual({})
  })
})

test('on a grown tree: every step yields a walk, and takes nothing but what it should', () => {
  const profile = decode(graphOf(grown(1000, 30, 5, count => count)))
  const tree = buildTree(profile)
  const names = profile.functions.filter((_, i) => i % 29 === 0)
  for (const name of names) {
    const share = (step: Step) => {
      const { kinds, ...columns } = applyStep(profile, tree, step)
      const asJSON = encode({
        functions: columns.functions,
        kinds: [...kinds].map(() => 'java'),
        parents: [...columns.parents],
        frames: [...columns.frames],
        values: [...columns.values],
        counts: [...columns.counts],
      })
      return buildTree(decode(asJSON)).total[ROOT]
    }
    const all = tree.total[ROOT]
    expect(share({ kind: 'hide', name })).toBe(all)
    expect(share({ kind: 'recursion', name })).toBe(all)
    expect(share({ kind: 'focus', name }) + share({ kind: 'remove', name })).toBe(all)
    const fn = profile.functions.indexOf(name)
    const [up, down] = [callersOf, calleesOf].map(side => buildTree(side(profile, tree, fn)).total[ROOT])
    expect([up, down]).toEqual([share({ kind: 'focus', name }), share({ kind: 'focus', name })])
  }
}, 60_000)
