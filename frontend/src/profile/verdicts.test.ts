import { expect, test } from 'vitest'
import type { Regression } from '../api/types'
import { fleetRates, fullName } from './services'
import { longVerdict, shortVerdict, verdictsByService } from './verdicts'

function regression(verdict: Regression['verdict'], growth: number): Regression {
  const name = { cluster: 'c', namespace: 'n', service: 's', version: '2', before: '1' }
  return { ...name, verdict, growth, functions: [] } as unknown as Regression
}

test.each([
  ['worse', 0.123, 'worse than 1, +12.3 % CPU', 'the same work takes 12.3 % more CPU time'],
  ['better', -0.05, 'better than 1, −5.00 % CPU', 'the same work takes 5.00 % less CPU time'],
  ['same', 0, 'same as 1', 'about as much CPU time'],
  ['not_enough_data', 0, 'not enough data against 1', 'not enough data yet to judge version 2 against 1'],
] as const)('%s', (verdict, growth, short, long) => {
  const r = regression(verdict, growth)
  const plain = (text: string) => text.replaceAll('\u00a0', ' ')
  expect(plain(shortVerdict(r))).toBe(short)
  expect(plain(longVerdict(r))).toContain(long)
})

test('a verdict is found by the whole name of its service', () => {
  const r = regression('worse', 0.1)
  const found = verdictsByService({ regressions: [r], truncated: false })
  expect(found.get(fullName(r))).toBe(r)
  expect(found.get(fullName({ ...r, namespace: 'other' }))).toBeUndefined()
  expect(verdictsByService(undefined).size).toBe(0)
})

test('the means of services add up, those that are not known count as nothing', () => {
  const service = (...types: [string, number | null][]) =>
    ({ types: types.map(([type, perSecond]) => ({ type, perSecond })) }) as never
  const sums = fleetRates([
    service(['cpu', 2], ['alloc', null]),
    service(['cpu', 3], ['alloc', 5]),
    service(),
  ])
  expect(sums).toEqual({ cpu: 5, alloc: 5 })
})
