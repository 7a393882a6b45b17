import { describe, expect, test } from 'vitest'
import { diffOf } from '../../../e2e/fixture/comparison'
import { FIXTURES } from '../../../e2e/fixture/scene'
import type { Diff } from '../../api/types'
import { compare, sideAlone } from '../../profile/compare'
import { ROOT } from '../../profile/tree'
import { formatPercent, formatRate, formatValue } from '../../profile/units'
import { formatComparable, wordsFor } from './frameWords'

const NOW = Date.parse('2026-06-15T14:30:42Z') / 1000
const [checkout] = FIXTURES
const range = { from: NOW - 900, to: NOW }
const select = (version: string, at = range) => ({ fixture: checkout, range: at, version })
const diff = diffOf(select(checkout.versions[1]), select(checkout.versions[0]), 'cpu', NOW)
const rate = ({ total, coverage }: Diff['base']) => total.value / coverage.recordedSeconds

describe('a frame of a comparison in words', () => {
  test('the root has the means of both sides', () => {
    const comparison = compare(diff, 'rate')
    const [total] = wordsFor(diff, comparison, 'rate').node(ROOT).rows
    expect(total.figures.slice(0, 2)).toEqual([
      `A ${formatRate('cpu', rate(diff.base))}`,
      `B ${formatRate('cpu', rate(diff.head))}`,
    ])
  })

  test('what sampling alone explains is said to be', () => {
    const one = (amounts: number[], by: number) =>
      amounts.map((amount, node) => amount + (node === 1 ? by : 0))
    const { base } = diff
    const head = { ...base, values: one(base.values, 1e7), counts: one(base.counts, 1) }
    const nearly = compare({ ...diff, head }, 'rate')
    expect(wordsFor(diff, nearly, 'rate').node(ROOT).note).toMatch(/^not told from chance: /)
    const comparison = compare(diff, 'rate')
    const changed = comparison.change.findIndex(change => change !== 0)
    expect(wordsFor(diff, comparison, 'rate').node(changed).note).not.toMatch(/chance/)
  })

  test('a side without a recording has no figure, and nothing is more or less', () => {
    const later = diffOf(
      select('', { from: NOW + 60, to: NOW + 960 }),
      select(checkout.versions[0]),
      'cpu',
      NOW,
    )
    const words = wordsFor(later, compare(later, 'rate'), 'rate').node(ROOT)
    expect(words.rows[0].figures).toEqual(['A –', `B ${formatRate('cpu', rate(later.head))}`, 'nothing on A'])
  })

  test('a side alone has its amounts as they were measured', () => {
    const comparison = compare(diff, 'share')
    const words = wordsFor(diff, comparison, 'share')
    const alone = sideAlone(comparison, 'head')
    const [total] = words.alone('head', alone, ROOT).rows
    expect(total.figures).toEqual([
      formatValue('ns', diff.head.total.value),
      formatPercent(1, 1),
      `${formatPercent(1, 1)} of total`,
    ])
    expect(words.side('head', diff.head.total.value)).toMatch(/^B: .* CPU time$/)
  })
})

test('an amount is a share, a rate, or samples where values are not known', () => {
  expect(formatComparable(diff, false, 'share', 0.25)).toBe(formatPercent(0.25, 1))
  expect(formatComparable(diff, false, 'rate', 5e8)).toBe(formatRate('cpu', 5e8))
  expect(formatComparable(diff, true, 'rate', 5)).toMatch(/^5(\.0+)? samples\/s$/)
})
