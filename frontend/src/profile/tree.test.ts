import { describe, expect, test } from 'vitest'
import { graphOf } from '../../e2e/fixture/graph'
import { DecodeError, decode, KINDS } from './decode'
import { nodeAt, treeOf } from './testdata'
import { buildTree, findPath, pathTo, ROOT } from './tree'

const stacks = { a: 10, 'a;b': 20, 'a;c': 50, 'a;b;d': 5, e: 15 }

describe('tree', () => {
  test('self and total add up', () => {
    const { profile, tree } = treeOf(stacks)
    expect(tree.size).toBe(6)
    expect(tree.total[ROOT]).toBe(100)
    expect(tree.totalCount[ROOT]).toBe(10)
    const a = nodeAt(profile, tree, 'a')
    expect([tree.self[a], tree.total[a], tree.descendants[a]]).toEqual([10, 85, 3])
    expect(tree.self.reduce((x, y) => x + y)).toBe(tree.total[ROOT])
    expect(tree.maxDepth).toBe(3)
  })

  test('children are heaviest first and lie side by side', () => {
    const { profile, tree } = treeOf(stacks)
    const a = nodeAt(profile, tree, 'a')
    const children = [...tree.children.slice(tree.childStart[a], tree.childStart[a + 1])]
    expect(children.map(c => profile.functions[tree.frame[c]])).toEqual(['c', 'b'])
    expect(children.map(c => tree.left[c])).toEqual([0, 50])
    expect(tree.left[nodeAt(profile, tree, 'e')]).toBe(85)
  })

  test('the order of the stacks does not matter', () => {
    const shuffled = { e: 15, 'a;b;d': 5, 'a;c': 50, a: 10, 'a;b': 20 }
    expect(treeOf(shuffled).tree).toEqual(treeOf(stacks).tree)
  })

  test('no stacks, and a stack without frames', () => {
    expect(treeOf({}).tree.size).toBe(1)
    const { tree } = treeOf({ '': 7 })
    expect([tree.size, tree.self[ROOT], tree.total[ROOT]]).toEqual([1, 7, 7])
  })

  test('a path of names leads back to its node, as far as it exists', () => {
    const { profile, tree } = treeOf(stacks)
    const d = nodeAt(profile, tree, 'a;b;d')
    const names = pathTo(tree, d).map(n => profile.functions[tree.frame[n]])
    expect(names).toEqual(['a', 'b', 'd'])
    expect(findPath(tree, profile.functions, names)).toBe(d)
    expect(findPath(tree, profile.functions, ['a', 'b', 'gone', 'd'])).toBe(nodeAt(profile, tree, 'a;b'))
    expect(findPath(tree, profile.functions, [])).toBe(ROOT)
  })

  test('10,000 deep', () => {
    const frames = Array.from({ length: 10_000 }, (_, i) => i % 2)
    const set = { functions: ['f', 'g'], kinds: ['java', 'java'], frames: [frames], values: [3], counts: [1] }
    const tree = buildTree(decode(graphOf(set)))
    expect([tree.maxDepth, tree.total[1], tree.self[10_000]]).toEqual([10_000, 3, 3])
  })
})

/** What TestGraphInJSON of backend/api demands that the backend writes. */
const WRITTEN = `{"functions":{"shared":[0,17,0,6,4],"rest":["java.lang.Thread.run","start","shop.Käse.a","äse.b",""]},
"kinds":{"names":["java","native","java","omitted"],"counts":[2,1,1,1]},"depths":[0,1,2,3,2,1],"frames":[-1,0,1,2,3,4],
"values":[0,1,2,3,4,5],"counts":[0,1,1,1,1,1]}`

test('decode reads what the backend writes', () => {
  const profile = decode(JSON.parse(WRITTEN))
  expect(profile.functions).toEqual([
    'java.lang.Thread.run',
    'java.lang.Thread.start',
    'shop.Käse.a',
    'shop.Käse.b',
    'shop',
  ])
  expect(Array.from(profile.kinds, kind => KINDS[kind])).toEqual([
    'java',
    'java',
    'native',
    'java',
    'omitted',
  ])
  expect([...profile.parents]).toEqual([-1, 0, 1, 2, 1, 0])
  expect([...profile.frames]).toEqual([-1, 0, 1, 2, 3, 4])
  expect([...profile.values]).toEqual([0, 1, 2, 3, 4, 5])
})

describe('decode refuses answers that contradict themselves', () => {
  const good = {
    functions: { shared: [0, 1], rest: ['f', 'g'] },
    kinds: { names: ['java'], counts: [2] },
    depths: [0, 1, 2, 1],
    frames: [-1, 0, 0, 0],
    values: [0, 0, 1, 1],
    counts: [0, 0, 1, 1],
  }
  const bad = {
    'fewer values than nodes': { ...good, values: [] },
    'fewer kinds than functions': { ...good, kinds: { names: ['java'], counts: [1] } },
    'a function that is not there': { ...good, frames: [-1, 0, 2, 0] },
    'a negative function': { ...good, frames: [-1, 0, -1, 0] },
    'half a function': { ...good, frames: [-1, 0, 0.5, 0] },
    'a negative value': { ...good, values: [0, 0, -1, 1] },
    'a count that is no number': { ...good, counts: [0, 0, Number.NaN, 1] },
    'no root': { ...good, depths: [], frames: [], values: [], counts: [] },
    'two roots': { ...good, depths: [0, 1, 0, 1] },
    'a node far below the one before it': { ...good, depths: [0, 1, 3, 1] },
    'a negative depth': { ...good, depths: [0, 1, -1, 1] },
    'half a depth': { ...good, depths: [0, 1, 0.5, 1] },
    'more names than shared beginnings': { ...good, functions: { shared: [0], rest: ['f', 'g'] } },
    'a beginning that is longer than the name': { ...good, functions: { shared: [0, 2], rest: ['f', 'g'] } },
    'a negative beginning': { ...good, functions: { shared: [0, -1], rest: ['f', 'g'] } },
    'more kinds than functions': { ...good, kinds: { names: ['java', 'native'], counts: [1, 2] } },
    'a negative run of kinds': { ...good, kinds: { names: ['java', 'native'], counts: [3, -1] } },
    'a kind without a count': { ...good, kinds: { names: ['java', 'native'], counts: [2] } },
  }
  test('but not what they should be', () => {
    expect([...decode(good).parents]).toEqual([-1, 0, 1, 0])
    expect(decode(good).functions).toEqual(['f', 'fg'])
  })
  test.each(Object.entries(bad))('%s', (_, flame) => expect(() => decode(flame)).toThrow(DecodeError))
  test('an unknown kind is other', () => {
    expect(decode({ ...good, kinds: { names: ['wasm'], counts: [2] } }).kinds[0]).toBe(6)
  })
})
