import { describe, expect, test } from 'vitest'
import { flameOf } from '../../../e2e/fixture/answers'
import { FIXTURES } from '../../../e2e/fixture/scene'
import { nodeAt, profileOf } from '../../profile/testdata'
import { buildTree, ROOT } from '../../profile/tree'
import { frameText, runText, describe as spoken } from './frameText'
import type { Model } from './model'

const NOW = Date.parse('2026-06-15T14:30:42Z') / 1000
const stacks = { 'com.acme.Cart.add;x.Map.put': 60e9, 'com.acme.Cart.add;(omitted)': 20e9, 'gc;mark': 20e9 }
const profile = profileOf(stacks, { '(omitted)': 'omitted', gc: 'cpp', mark: 'cpp' })
const tree = buildTree(profile)
const answer = {
  ...flameOf(FIXTURES[0], 'cpu', { from: NOW - 900, to: NOW }, NOW, 100),
  total: { value: 100e9, count: 10e9 },
}
const model: Model = {
  answer,
  flame: answer,
  amount: 'CPU time',
  byCount: false,
  profile,
  tree,
  changed: false,
}
const at = (path: string) => nodeAt(profile, tree, path)

describe('a frame in words', () => {
  test('has package and name, total and self, and its share of the total', () => {
    const text = frameText(model, at('com.acme.Cart.add'), ROOT)
    expect([text.scope, text.title, text.kind]).toEqual(['com.acme', 'Cart.add', 'Java'])
    expect(text.rows.map(row => row.name)).toEqual(['Total', 'Self'])
    expect(text.rows[0].shares).toEqual([expect.stringMatching(/^80(\.0)?\s% of total$/)])
  })

  test('of a zoom it has the share of that, too', () => {
    const { rows } = frameText(model, at('com.acme.Cart.add;x.Map.put'), at('com.acme.Cart.add'))
    expect(rows[0].shares).toEqual([
      expect.stringMatching(/^60(\.0)?\s% of total$/),
      expect.stringMatching(/^75(\.0)?\s% of zoomed$/),
    ])
  })

  test('the root is everything; omitted frames have no self and say how they are shown', () => {
    expect(frameText(model, ROOT, ROOT)).toMatchObject({ title: 'all', note: 'Everything in the range' })
    const omitted = frameText(model, at('com.acme.Cart.add;(omitted)'), ROOT)
    expect(omitted.rows.map(row => row.name)).toEqual(['Total'])
    expect(omitted.note).toMatch(/zoomed in/)
  })

  test('frames that are cut out of the middle of stacks say so', () => {
    const cut = profileOf({ 'a;(omitted);b': 60e9, 'a;c': 40e9 }, { '(omitted)': 'omitted' })
    const cutModel = { ...model, profile: cut, tree: buildTree(cut) }
    const { title, note } = frameText(cutModel, nodeAt(cut, cutModel.tree, 'a;(omitted)'), ROOT)
    expect([title, note]).toEqual(['Omitted frames', expect.stringMatching(/had no room .*stacks_cut/)])
  })

  test('is spoken in one line', () =>
    expect(spoken(model, at('gc;mark'), ROOT)).toMatch(/^mark · C\+\+ \(JVM\) · total 20.* · self 20/))
})

test('frames too narrow to draw are told together, with all below them', () => {
  const { title, rows, note } = runText(model, at('gc'), 2, ROOT)
  expect(title).toBe('2 frames too narrow to draw')
  expect(rows[0].shares).toEqual([expect.stringMatching(/^100\s% of total$/)])
  expect(note).toMatch(/^with 3 frames below\. Click to zoom into the heaviest: gc$/)
})
