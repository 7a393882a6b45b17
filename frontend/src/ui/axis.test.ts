import { expect, test } from 'vitest'
import { formatAxis, formatMoment } from './axis'

const at = (day: number, hour: number, minute = 0, second = 0) =>
  new Date(2026, 5, day, hour, minute, second).getTime()

test.each([
  [at(15, 14), 3600e3, '14:00'],
  [at(15, 14, 0, 10), 60e3, '14:00:10'],
  [at(15, 14), 2 * 86_400e3, '15 Jun, 14:00'],
  [at(16, 0), 2 * 86_400e3, '16 Jun'],
  [at(16, 0), 3600e3, '00:00'],
])('%d on an axis of %d ms', (ms, span, text) => expect(formatAxis(ms, span)).toBe(text))

test('a moment has its day', () => expect(formatMoment(at(15, 14, 5))).toBe('15 Jun, 14:05'))
