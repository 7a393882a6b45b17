import { expect, test } from 'vitest'
import type { Series } from '../api/types'
import { someThreads, threadList, toggled, UNKNOWN } from './threads'

function series(amounts: Record<string, [number, number]>, rest = 0, otherParts = 0): Series {
  const parts = Object.entries(amounts).map(([name, [value, count]]) => ({
    name,
    total: { value, count },
    values: [value],
    counts: [count],
    windows: [1],
  }))
  const sum = (at: 0 | 1) => Object.values(amounts).reduce((all, amount) => all + amount[at], 0)
  const point = { value: sum(0) + rest, count: sum(1) + rest }
  return { unit: 'ns', countUnit: 'samples', parts, otherParts, points: [point] } as Series
}

test('what is not listed is the rest of the total', () => {
  const list = threadList(series({ 'http-#': [60, 6], main: [30, 3] }, 10, 4))
  expect(list).toEqual({
    groups: [
      { name: 'http-#', amount: 60 },
      { name: 'main', amount: 30 },
    ],
    total: 100,
    unit: 'ns',
    more: 4,
    rest: 10,
    told: true,
  })
})

test('samples without a value are counted', () => {
  const { groups, total, unit } = threadList(series({ main: [0, 3], 'http-#': [0, 1] }))
  expect([groups.map(group => group.amount), total, unit]).toEqual([[3, 1], 4, 'samples'])
})

test('groups are told where at least one is known', () => {
  expect(threadList(series({ [UNKNOWN]: [5, 1] })).told).toBe(false)
  expect(threadList(series({ [UNKNOWN]: [5, 1], main: [1, 1] })).told).toBe(true)
  expect(threadList(series({})).told).toBe(false)
})

test('a group is chosen or left out, not both, and is let go by the same press', () => {
  const none = { thread: [], excludeThread: [] }
  const one = toggled(none, 'thread', 'main')
  expect(one).toEqual({ thread: ['main'], excludeThread: [] })
  const two = toggled(one, 'thread', 'http-#')
  expect(two.thread).toEqual(['main', 'http-#'])
  expect(toggled(two, 'excludeThread', 'main')).toEqual({ thread: ['http-#'], excludeThread: ['main'] })
  expect(toggled(one, 'thread', 'main')).toEqual(none)
  expect([none, one, toggled(none, 'excludeThread', 'main')].map(someThreads)).toEqual([false, true, true])
})
