import { describe, expect, test } from 'vitest'
import { diffFills } from './diffColors'

const THEMES = ['light', 'dark'] as const
const INK = { light: [20, 24, 29], dark: [11, 13, 16] } // of the labels

function rgb(pixel: number): number[] {
  return [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255]
}

function luminance(color: number[]): number {
  const [r, g, b] = color.map(v =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  )
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** As somebody without green-sensitive cones sees it (Viénot 1999), in linear light. */
function deuteranope(color: number[]): number[] {
  const [r, g, b] = color.map(v => (v / 255) ** 2.2)
  const yellow = 0.29275 * r + 0.70725 * g
  return [yellow, yellow, -0.02234 * r + 0.02234 * g + b]
}

describe.each(THEMES)('%s', theme => {
  const { fills, faded } = diffFills(Float32Array.from([-5, -1, -0.4, 0, 0.4, 1, 5]), theme)

  test('a change beyond the scale has the end of it', () => {
    expect(fills[0]).toBe(fills[1])
    expect(fills[6]).toBe(fills[5])
  })

  test('no change is grey', () => {
    const [r, g, b] = rgb(fills[3])
    expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThan(3)
  })

  test('labels are readable on every colour', () => {
    for (const pixel of fills) {
      const [a, b] = [luminance(rgb(pixel)), luminance(INK[theme])]
      expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThan(4.5)
    }
  })

  test('less and more differ without green cones too', () => {
    const [less, more] = [deuteranope(rgb(fills[1])), deuteranope(rgb(fills[5]))]
    expect(Math.abs(less[2] - more[2])).toBeGreaterThan(0.3)
  })

  test('faded colours stand back', () => expect(faded).not.toEqual(fills))
})
