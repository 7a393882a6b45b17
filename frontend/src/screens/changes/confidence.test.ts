import { expect, test } from 'vitest'
import { chanceText, confidenceWord, pointsText } from './confidence'

test.each([
  [1e-9, 'beyond doubt', 'less than 1 in a million'],
  [0.0004, 'very sure', 'about 1 in 2,500'],
  [0.0083, 'sure', 'about 1 in 120'],
  [0.5, 'sure', 'about 1 in 2'],
])('a chance of %d is %s', (chance, word, odds) => {
  expect(confidenceWord(chance)).toBe(word)
  expect(chanceText(chance)).toBe(odds)
})

test('differences of shares are in points', () => {
  expect([0.003, -0.123, 0.00004, 0].map(pointsText)).toEqual(['+0.30', '−12.3', '+0.004', '0.000'])
})
