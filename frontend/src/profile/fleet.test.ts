import { expect, test } from 'vitest'
import type { FleetTop } from '../api/types'
import { moneyOf } from './fleet'

const answer = (part: Partial<FleetTop>) =>
  ({
    type: 'cpu',
    price: { perCoreHour: 0.04, currency: '€' },
    perSecond: 10e9,
    total: { value: 1000, count: 1 },
    ...part,
  }) as FleetTop

test('a tenth of ten cores for a month', () => {
  expect(moneyOf(answer({}), 100)).toBe('€29.20')
  expect(moneyOf(answer({}), 0)).toBe('€0.00')
  expect(moneyOf(answer({ perSecond: 1e7 }), 100)).toBe('€0.0292')
  expect(moneyOf(answer({ total: { value: 0, count: 0 } }), 0)).toBe('€0.00')
})

test.each([{ type: 'alloc' as const }, { price: { perCoreHour: 0, currency: '' } }, { perSecond: null }])(
  'without what it takes, nothing is said to cost: %o',
  part => {
    expect(moneyOf(answer(part), 100)).toBeUndefined()
  },
)
