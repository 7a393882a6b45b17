import { describe, expect, test } from 'vitest'
import { formatAge, formatBetween, formatInstant, formatRangeLabel, formatSpanWords } from './time'

const at = (day: number, hour: number, minute = 0, second = 0) =>
  new Date(2026, 5, day, hour, minute, second).getTime()

describe('instants', () => {
  test('have their day only if it is another', () => {
    expect(formatInstant(at(15, 14, 5, 9), at(15, 23))).toBe('14:05:09')
    expect(formatInstant(at(14, 14, 5, 9), at(15, 23))).toBe('14 Jun, 14:05')
  })

  test.each([
    [0, 'just now'],
    [0.4, 'just now'],
    [42, '42 s ago'],
    [119, '1 m ago'],
    [3600 + 1800, '1 h ago'],
    [3 * 86_400 + 3600, '3 d ago'],
  ])('%d seconds ago', (seconds, text) => {
    expect(formatAge(at(15, 14) - seconds * 1000, at(15, 14)).replace(/\s/g, ' ')).toBe(text)
  })
})

describe('ranges', () => {
  test.each([
    [1, 'second'],
    [90, '90 seconds'],
    [900, '15 minutes'],
    [3600, 'hour'],
    [604_800, '7 days'],
  ])('%d seconds in words', (seconds, text) => expect(formatSpanWords(seconds)).toBe(text))

  test('relative ones by their length, fixed ones by their ends', () => {
    expect(formatRangeLabel({ kind: 'last', seconds: 900 })).toBe('Last 15 minutes')
    const [from, to] = [at(1, 14) / 1000, at(1, 15) / 1000]
    expect(formatRangeLabel({ kind: 'between', from, to })).toBe('1 Jun, 14:00 – 15:00')
  })

  test('over several days both ends have theirs', () =>
    expect(formatBetween(at(1, 14), at(2, 15))).toBe('1 Jun, 14:00 – 2 Jun, 15:00'))

  test('seconds stand where they are not all zero', () =>
    expect(formatBetween(at(1, 14), at(1, 14, 0, 5))).toBe('1 Jun, 14:00 – 14:00:05'))
})
