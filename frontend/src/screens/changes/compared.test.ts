import { expect, test } from 'vitest'
import { ALL, parseUrl } from '../../url'
import { baseOf, isAutomatic } from './compared'

const side = (versions: string[], from: string, to: string) => ({ versions, range: { from, to } })

type Answer = Parameters<typeof baseOf>[0]

function compared(base: string[], head: string[]): ReturnType<typeof baseOf> {
  return baseOf({
    base: side(base, '2026-06-15T10:00:00.5Z', '2026-06-15T11:00:00.5Z'),
    head: side(head, '2026-06-15T12:00:00Z', '2026-06-15T13:00:00Z'),
  } as Answer)
}

test('a comparison names both ranges, in whole seconds around what was compared', () => {
  const { range, base } = compared(['1'], ['2'])
  const hour = Date.parse('2026-06-15T10:00:00Z') / 1000
  expect(base.range).toEqual({ kind: 'between', from: hour, to: hour + 3601 })
  expect(range).toEqual({ kind: 'between', from: hour + 7200, to: hour + 10_800 })
})

test.each([
  [['1'], ['2'], ['1'], ['2']],
  [['1', '0'], ['2'], ['1', '0'], ['2']],
  [['1'], ['1'], [], ['1']], // as on side B
  [[], ['2'], [ALL], ['2']],
  [[''], ['2'], [ALL], ['2']], // a version without a name cannot be asked for
  [['1'], [''], ['1'], []],
  [[], [], [], []],
])('versions %j against %j', (base, head, said, mine) => {
  const answer = compared(base, head)
  expect([answer.base.version, answer.version]).toEqual([said, mine])
})

test('the backend chooses the base unless the address says one', () => {
  expect(isAutomatic(parseUrl('/changes', '?service=a', ''))).toBe(true)
  expect(isAutomatic(parseUrl('/changes', '?service=a&baseVersion=1', ''))).toBe(false)
})
