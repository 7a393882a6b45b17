import { expect, test } from 'vitest'
import { type Command, matching } from './commands'

const command = (group: Command['group'], label: string, detail = ''): Command => ({
  group,
  label,
  detail,
  run: () => undefined,
})
const COMMANDS = [
  command('Screens', 'Targets'),
  command('Services', 'pre-checkout', 'shop'),
  command('Services', 'checkout', 'shop'),
  command('Services', 'checkout', 'bank'),
  ...Array.from({ length: 20 }, (_, i) => command('Functions', `f${i}`)),
]
const names = (text: string) => matching(COMMANDS, text).map(c => `${c.label} ${c.detail}`.trim())

test('what begins with the text comes first, and every word must occur', () => {
  expect(names('check')).toEqual(['checkout shop', 'checkout bank', 'pre-checkout shop'])
  expect(names('CHECK bank')).toEqual(['checkout bank'])
  expect(names('nothing')).toEqual([])
})

test('a group shows no more than fit', () => {
  expect(names('').filter(name => name.startsWith('f'))).toHaveLength(8)
  expect(names('')[0]).toBe('Targets')
})
