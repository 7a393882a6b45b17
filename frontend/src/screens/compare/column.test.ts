import { expect, test } from 'vitest'
import type { Coverage, Diff } from '../../api/types'
import { columnFor } from './column'
import { doubtsOf, doubtsOfSides } from './doubts'
import { differenceText } from './words'

test.each([
  ['cpu', 'rate', undefined, 5.16e8, 'cores', '0.052', 5.16e7],
  ['cpu', 'rate', undefined, 2e6, 'cores', '0.00100', 1e6],
  ['wall', 'rate', undefined, 3e9, 'threads', '0.50', 5e8],
  ['alloc', 'rate', undefined, 5 * 1024 ** 2, 'MiB/s', '0.50', 1024 ** 2 / 2],
  ['alloc', 'rate', undefined, 100, 'B/s', '50', 50],
  ['cpu', 'share', undefined, 0.25, '%', '12.5', 0.125],
  ['cpu', 'rate', 'samples', 40, 'samples/s', '5.0', 5],
  ['cpu', 'rate', undefined, 0, 'cores', '0', 0],
] as const)('%s by %s (%s) up to %d is in %s', (type, scale, countUnit, most, unit, text, amount) => {
  const column = columnFor(type, scale, countUnit, most)
  expect(column.unit).toBe(unit)
  expect(column.format(amount)).toBe(text)
})

test('differences in words', () => {
  const percent = (share: number) => `${Math.round(share * 100)} %`
  expect([
    differenceText(2, 3, percent),
    differenceText(2, 1, percent),
    differenceText(0, 1, percent),
    differenceText(1, 0, percent),
    differenceText(1, 1, percent),
  ]).toEqual(['50 % more', '50 % less', 'new', 'gone', 'as much'])
})

const SAMPLES = { countUnit: 'samples' }
const NOTHING = { value: 0, count: 0 }

function coverage(stored: number, captured: number, dropped: number): Coverage {
  return {
    windows: { expected: 100, stored, lost: 0 },
    captured: { value: 0, count: captured },
    stored: NOTHING,
    truncated: NOTHING,
    dropped: { value: 0, count: dropped },
    losses: [],
    notCaptured: [],
    notices: [],
    recordedSeconds: 0,
    meanTargets: 1,
    perSecond: null,
    kernelCpu: null,
  }
}

test.each([
  [99, 1000, 5, []],
  [97, 1000, 5, ['warn']],
  [49, 1000, 5, ['bad']],
  [49, 1000, 50, ['bad', 'bad']],
  [0, 0, 0, ['bad']],
] as const)('%d of 100 windows and %d samples, %d of them lost', (stored, captured, dropped, weights) =>
  expect(doubtsOfSides({ A: coverage(stored, captured, dropped) }, SAMPLES).map(d => d.weight)).toEqual(
    weights,
  ),
)

test('windows that may still arrive are no doubt', () => {
  const pending = { reason: 'window_not_yet_arrived', durationNs: 600e9 } as Coverage['notCaptured'][number]
  const live = { ...coverage(90, 1000, 0), recordedSeconds: 90 * 60, notCaptured: [pending] }
  expect(doubtsOfSides({ A: live }, SAMPLES)).toEqual([])
})

test('what both sides have in common is said once', () => {
  const cut = {
    outcome: 'noticed',
    reason: 'stacks_cut',
    text: 'Cut',
    remedy: 'Raise it',
    count: 1,
  } as Coverage['notices'][number]
  const routine = { ...cut, reason: 'sampling_bounded', routine: true }
  const sides = {
    A: { ...coverage(90, 1000, 20), stored: { value: 0, count: 10 }, notices: [cut, routine] },
    B: { ...coverage(40, 1000, 50), stored: { value: 0, count: 20 }, notices: [cut] },
  }
  expect(doubtsOfSides(sides, SAMPLES)).toEqual([
    {
      text: expect.stringMatching(/^A stands on 90\.0\s% and B 40\.0\s% of their windows\. /),
      weight: 'bad',
    },
    { text: expect.stringMatching(/^A lost 2\.00\s% and B 5\.00\s% of their samples/), weight: 'bad' },
    { text: expect.stringMatching(/^A \(10\.0\s%\) and B \(5\.00\s%\): Cut\. Raise it\.$/), weight: 'warn' },
  ])
})

test('what concerns both sides', () => {
  const side = { total: { value: 1000, count: 10 }, omitted: NOTHING, coverage: coverage(100, 10, 0) }
  const diff = {
    nodes: 10_000,
    omittedNodes: 1808,
    base: { ...side, omitted: { value: 50, count: 1 } },
    head: side,
  } as unknown as Diff
  expect(doubtsOf(diff, true)).toEqual([
    { text: expect.stringContaining('same selection'), weight: 'warn' },
    {
      text: expect.stringMatching(/1,808 of 10,000 frames .* 5\.00\s% of A and 0\s% of B/),
      weight: 'warn',
      nodes: 20_000,
    },
  ])
})
