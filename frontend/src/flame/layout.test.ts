import { describe, expect, test } from 'vitest'
import { graphOf } from '../../e2e/fixture/graph'
import { grown } from '../../e2e/fixture/stacks'
import { decode } from '../profile/decode'
import { nodeAt, treeOf } from '../profile/testdata'
import { buildTree, ROOT } from '../profile/tree'
import { neighbourOf } from './input'
import { boxOf, hitTest, type Layout, layOut, rowsOf, spanOf } from './layout'

const { profile, tree } = treeOf({ 'a;b': 60, 'a;c': 20, 'a;c;d': 10, e: 10 })
const at = (path: string) => nodeAt(profile, tree, path)

function boxes(layout: Layout): string[][] {
  return Array.from({ length: layout.rows }, (_, row) => {
    const out: string[] = []
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
      const fn = tree.frame[layout.node[i]]
      const name = layout.hidden[i] > 0 ? `${layout.hidden[i]} hidden` : (profile.functions[fn] ?? 'all')
      out.push(`${name} ${layout.x0[i]}-${layout.x1[i]}`)
    }
    return out
  })
}

describe('layout', () => {
  test('boxes are as wide as their totals', () => {
    expect(boxes(layOut(tree, spanOf(tree, ROOT), 100))).toEqual([
      ['all 0-100'],
      ['a 0-90', 'e 90-100'],
      ['b 0-60', 'c 60-90'],
      ['d 60-70'],
    ])
  })

  test('a zoomed frame and what is above it fill the width', () => {
    expect(boxes(layOut(tree, spanOf(tree, at('a;c')), 90))).toEqual([
      ['all 0-90'],
      ['a 0-90'],
      ['c 0-90'],
      ['d 0-30'],
    ])
  })

  test('siblings too narrow to draw become one counted run', () => {
    const many = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`f${String(i).padStart(2, '0')}`, 1]),
    )
    const { tree: wide } = treeOf({ ...many, big: 950 })
    const layout = layOut(wide, spanOf(wide, ROOT), 100)
    expect(layout.node.length).toBe(3)
    expect([layout.hidden[2], layout.x0[2], layout.x1[2]]).toEqual([50, 95, 100])
  })

  test('hit test and its inverse', () => {
    const layout = layOut(tree, spanOf(tree, ROOT), 100)
    const hit = (row: number, x: number) => layout.node[hitTest(layout, row, x)]
    expect([hit(1, 89), hit(1, 90), hit(2, 60)]).toEqual([at('a'), at('e'), at('a;c')])
    expect([hitTest(layout, 3, 59), hitTest(layout, 4, 0), hitTest(layout, -1, 0)]).toEqual([-1, -1, -1])
    for (const path of ['a', 'e', 'a;b', 'a;c', 'a;c;d']) {
      expect(layout.node[boxOf(layout, tree, at(path))]).toBe(at(path))
    }
    expect(rowsOf(layout, tree, fn => profile.functions[fn] === 'd')).toEqual([3])
  })

  test('nothing to show: no boxes', () => {
    const { tree: empty } = treeOf({})
    expect(layOut(empty, spanOf(empty, ROOT), 100).rows).toBe(0)
    expect(layOut(tree, spanOf(tree, ROOT), 0).rows).toBe(0)
  })

  test('the work depends on the pixels: 100,000 nodes', () => {
    const large = buildTree(decode(graphOf(grown(100_000, 70, 7, count => count))))
    expect(large.size).toBeGreaterThan(100_000 * 0.9)
    const layout = layOut(large, spanOf(large, ROOT), 1600)
    expect(layout.node.length).toBeLessThan(30_000)
    let overlaps = 0
    for (let row = 0; row < layout.rows; row++) {
      for (let i = layout.rowStart[row] + 1; i < layout.rowStart[row + 1]; i++) {
        if (layout.x0[i] < layout.x1[i - 1]) overlaps++
      }
    }
    expect(overlaps).toBe(0)
  }, 30_000)
})

test('arrow keys', () => {
  const go = (path: string, key: string, visible = () => true, upward = false) =>
    neighbourOf(tree, path === '' ? ROOT : at(path), key, visible, upward)
  expect(go('', 'ArrowDown')).toBe(at('a'))
  expect(go('a', 'ArrowDown')).toBe(at('a;b'))
  expect(go('a;b', 'ArrowRight')).toBe(at('a;c'))
  expect(go('a;b', 'ArrowLeft')).toBe(at('a;b'))
  expect(go('a;c;d', 'ArrowUp')).toBe(at('a;c'))
  expect(go('', 'ArrowUp')).toBe(ROOT)
  expect(go('a', 'ArrowRight', () => false)).toBe(at('a'))
  expect(go('a', 'x')).toBeUndefined()
  expect([go('a', 'ArrowUp', undefined, true), go('a', 'ArrowDown', undefined, true)]).toEqual([
    at('a;b'),
    ROOT,
  ])
})
