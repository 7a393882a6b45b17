import { expect, test } from 'vitest'
import { profileOf, treeOf } from './testdata'
import { sortTop, topRow, topTable } from './top'
import { buildTree } from './tree'

const figures = (rows: ReturnType<typeof topTable>) =>
  Object.fromEntries(rows.map(r => [r.name, [r.self, r.total]]))

test('a function that calls itself counts once in its total', () => {
  const { profile, tree } = treeOf({ 'main;f;f;g': 30, 'main;f;g;f': 20, 'main;g': 5 })
  expect(figures(topTable(profile, tree))).toEqual({ main: [0, 55], f: [20, 50], g: [35, 55] })
})

test('one row alone is that of the table', () => {
  const { profile, tree } = treeOf({ 'main;f;f;g': 30, 'main;f;g;f': 20, 'main;g': 5 })
  for (const row of topTable(profile, tree)) expect(topRow(profile, tree, row.fn)).toEqual(row)
  expect(topRow(profile, tree, -5)).toBeUndefined()
})

test('self adds up to the total, and what is omitted is no row', () => {
  const profile = profileOf({ 'a;b': 30, 'a;(omitted)': 12 }, { '(omitted)': 'omitted' })
  expect(figures(topTable(profile, buildTree(profile)))).toEqual({ a: [0, 42], b: [30, 30] })
})

test('order', () => {
  const { profile, tree } = treeOf({ b: 30, 'a;c': 30, 'a;d': 40 })
  const rows = topTable(profile, tree)
  expect(sortTop(rows, 'self').map(r => r.name)).toEqual(['d', 'b', 'c', 'a'])
  expect(sortTop(rows, 'total').map(r => r.name)).toEqual(['a', 'd', 'b', 'c'])
  expect(sortTop(rows, 'name').map(r => r.name)).toEqual(['a', 'b', 'c', 'd'])
  expect(sortTop(rows, 'self', true).map(r => r.name)).toEqual(['a', 'b', 'c', 'd'])
  expect(sortTop(rows, 'name', true).map(r => r.name)).toEqual(['d', 'c', 'b', 'a'])
})
