import { describe, expect, test } from 'vitest'
import { columnsOf, encode } from '../../e2e/fixture/graph'
import type { Coverage, Diff } from '../api/types'
import { changeRows, compare, isNoise, part, sideAlone, sortChanges, strength } from './compare'

const NOTHING = { value: 0, count: 0 }
const COVERAGE = { recordedSeconds: 0 } as Coverage

interface Side {
  stacks: Record<string, number>
  seconds: number
}

/** Stacks are "a;b"; a count is a tenth of its value. */
function diffOf(base: Side, head: Side): Diff {
  const stacks = [...new Set([...Object.keys(base.stacks), ...Object.keys(head.stacks)])]
  const functions = [...new Set(stacks.flatMap(stack => stack.split(';')))].sort()
  const frames = stacks.map(stack => stack.split(';').map(name => functions.indexOf(name)))
  const ones = stacks.map(() => 1)
  const columns = columnsOf({
    functions,
    kinds: functions.map(() => 'java'),
    frames,
    values: ones,
    counts: ones,
  })
  const path = (node: number): string =>
    node === 0 ? '' : `${path(columns.parents[node])};${functions[columns.frames[node]]}`
  const side = ({ stacks, seconds }: Side) => {
    const values = columns.parents.map((_, node) => stacks[path(node).slice(1)] ?? 0)
    const total = values.reduce((a, b) => a + b, 0)
    return {
      range: { from: '', to: '' },
      values,
      counts: values.map(v => v / 10),
      total: { value: total, count: total / 10 },
      outside: NOTHING,
      omitted: NOTHING,
      coverage: { ...COVERAGE, recordedSeconds: seconds },
    }
  }
  const graph = encode(columns)
  return {
    type: 'cpu',
    unit: 'ns',
    countUnit: 'samples',
    functions: graph.functions,
    kinds: graph.kinds,
    depths: graph.depths,
    frames: graph.frames,
    base: side(base),
    head: side(head),
    nodes: graph.depths.length - 1,
    omittedNodes: 0,
    scanned: { rows: 0, bytes: 0, elapsedMs: 0 },
  }
}

const BASE: Side = { stacks: { 'a;b': 8000, 'a;gone': 2000 }, seconds: 100 }
const HEAD: Side = { stacks: { 'a;b': 4000, 'a;new': 3000, 'a;b;a': 1000 }, seconds: 50 }

describe('compare', () => {
  const comparison = compare(diffOf(BASE, HEAD), 'rate')
  const names = [...comparison.tree.frame].map(fn => comparison.profile.functions[fn] ?? 'all')
  const at = (name: string) => names.indexOf(name)

  test('the tree is as wide as both sides by the second, heaviest siblings first', () => {
    // b: 80 + (80 + 20); new: 60; gone: 20
    expect(names).toEqual(['all', 'a', 'b', 'a', 'new', 'gone'])
    expect([...comparison.tree.total]).toEqual([260, 260, 180, 20, 60, 20])
  })

  test('half of the time recorded is no speed-up', () => {
    const half = {
      stacks: Object.fromEntries(Object.entries(BASE.stacks).map(([k, v]) => [k, v / 2])),
      seconds: 50,
    }
    const { change } = compare(diffOf(BASE, half), 'rate')
    expect([...change]).toEqual([0, 0, 0, 0])
  })

  test('new is all more, gone is all less', () => {
    expect(comparison.change[at('new')]).toBe(1)
    expect(comparison.change[at('gone')]).toBe(-1)
  })

  test('as shares, twice the work of one kind is no change', () => {
    const twice = {
      stacks: Object.fromEntries(Object.entries(BASE.stacks).map(([k, v]) => [k, v * 2])),
      seconds: 100,
    }
    expect([...compare(diffOf(BASE, twice), 'share').change]).toEqual([0, 0, 0, 0])
    expect([...compare(diffOf(BASE, twice), 'rate').change]).toEqual([1, 1, 1, 1])
  })

  test('functions: self and total per second recorded, recursion once', () => {
    const rows = new Map(changeRows(comparison).map(row => [row.name, row]))
    expect(rows.get('a')?.total).toEqual({ base: 100, head: 160, noise: false })
    expect(rows.get('a')?.self).toEqual({ base: 0, head: 20, noise: false })
    expect(rows.get('gone')?.self).toEqual({ base: 20, head: 0, noise: false })
    const self = (lessFirst: boolean) =>
      sortChanges([...rows.values()], 'self', lessFirst).map(row => row.name)
    expect(self(false)).toEqual(['new', 'a', 'gone', 'b'])
    expect(self(true)).toEqual(['gone', 'a', 'new', 'b'])
  })

  test('each side alone is that side, without what it does not have', () => {
    const base = sideAlone(comparison, 'base')
    expect([...base.tree.frame].map(fn => base.profile.functions[fn] ?? 'all')).toEqual([
      'all',
      'a',
      'b',
      'gone',
    ])
    expect([...base.tree.total]).toEqual([10_000, 10_000, 8000, 2000])
  })

  test('a side of nothing has no rate', () => {
    const { change, divisors, tree } = compare(diffOf({ stacks: {}, seconds: 0 }, HEAD), 'rate')
    expect(divisors.base).toEqual({ value: 0, count: 0 })
    expect(Math.max(...change.map(Math.abs))).toBe(0)
    expect(tree.total[0]).toBe(160)
  })

  test('samples without a value are compared by their number', () => {
    const diff = diffOf(BASE, HEAD)
    const unvalued = { ...diff.base, values: diff.base.values.map(() => 0), total: { value: 0, count: 1000 } }
    const { byCount, base } = compare({ ...diff, base: unvalued }, 'rate')
    expect(byCount).toBe(true)
    expect(base.total[0]).toBe(1000)
  })
})

test('strength is how often an amount has doubled, up to once', () => {
  expect([strength(1, 1), strength(1, 4), strength(4, 1), strength(0, 1), strength(1, 0)]).toEqual([
    0, 1, -1, 1, -1,
  ])
  expect(strength(100, 110)).toBeCloseTo(0.1375, 3)
})

test('what sampling explains is no change', () => {
  const divisors = { base: { value: 1, count: 100 }, head: { value: 1, count: 100 } }
  expect(isNoise(100, 120, divisors)).toBe(true)
  expect(isNoise(100, 150, divisors)).toBe(false)
  expect(isNoise(0, 3, divisors)).toBe(true)
  expect(part(5, 0)).toBe(0)
})
