import { describe, expect, test } from 'vitest'
import { type Rows, rowAt, topOf, visibleRows } from './rows'

const ROWS: Rows = { count: 12, fold: 0, height: 10, gap: 1, scroll: 0, sight: 50, upward: false }

describe('rows', () => {
  test('from the top down', () => {
    expect([topOf(ROWS, 0), topOf(ROWS, 3), visibleRows(ROWS)]).toEqual([0, 30, [0, 5]])
    const scrolled = { ...ROWS, scroll: 25 }
    expect([topOf(scrolled, 3), rowAt(scrolled, 0), visibleRows(scrolled)]).toEqual([5, 2, [2, 8]])
  })
  test('folded: the zoomed frame is the first row', () => {
    const folded = { ...ROWS, fold: 8 }
    expect([topOf(folded, 8), topOf(folded, 7), visibleRows(folded)]).toEqual([0, -10, [8, 12]])
  })
  test('upward: the root is at the bottom, also where the rows do not fill the canvas', () => {
    const short = { ...ROWS, count: 3, upward: true }
    expect([topOf(short, 0), topOf(short, 2), visibleRows(short)]).toEqual([40, 20, [0, 3]])
    const scrolled = { ...ROWS, upward: true, scroll: 70 }
    expect([topOf(scrolled, 0), visibleRows(scrolled)]).toEqual([40, [0, 5]])
  })
  test.each([false, true])('every pixel of a row is in it, upward %s', upward => {
    for (const fold of [0, 3]) {
      for (const scroll of [0, 7, 40]) {
        const rows = { ...ROWS, upward, fold, scroll }
        for (let row = fold; row < rows.count; row++) {
          const top = topOf(rows, row)
          expect([rowAt(rows, top), rowAt(rows, top + 9)]).toEqual([row, row])
        }
      }
    }
  })
})
