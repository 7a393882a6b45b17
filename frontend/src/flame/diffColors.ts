/**
 * Colours of a comparison: blue for less, orange for more, grey for as much. They differ in hue for every kind of
 * colour vision, and tables, tooltips and the spoken line say the change in words.
 */
import type { Theme } from './colors'
import { type Oklch, oklchToPixel } from './oklch'

/** Pixels by node. */
export interface NodeFills {
  fills: Uint32Array
  faded: Uint32Array // where search leaves the node out, or it is above the zoomed one
}

interface End {
  hue: number
  chroma: number
  l: number
}

const LESS: Record<Theme, End> = {
  light: { hue: 250, chroma: 0.14, l: 0.7 },
  dark: { hue: 250, chroma: 0.13, l: 0.66 },
}
const MORE: Record<Theme, End> = {
  light: { hue: 55, chroma: 0.16, l: 0.74 },
  dark: { hue: 55, chroma: 0.15, l: 0.72 },
}
const SAME: Record<Theme, number> = { light: 0.9, dark: 0.6 }
const FADED: Record<Theme, number> = { light: 0.96, dark: 0.3 }

/** Steps from no change to the full colour: enough to look smooth. */
const STEPS = 24

export function diffFills(change: Float32Array, theme: Theme): NodeFills {
  const fills = new Uint32Array(change.length)
  const faded = new Uint32Array(change.length)
  const ramp = Array.from({ length: 2 * STEPS + 1 }, (_, i) => {
    const color = changeColor((i - STEPS) / STEPS, theme)
    return [oklchToPixel(color), oklchToPixel({ l: FADED[theme], c: color.c * 0.22, h: color.h })] as const
  })
  for (let node = 0; node < change.length; node++) {
    const step = Math.round(Math.min(Math.max(change[node], -1), 1) * STEPS) + STEPS
    fills[node] = ramp[step][0]
    faded[node] = ramp[step][1]
  }
  return { fills, faded }
}

/** The colour of a change, for a legend: a CSS colour. */
export function changeSwatch(change: number, theme: Theme): string {
  const { l, c, h } = changeColor(change, theme)
  return `oklch(${l} ${c} ${h})`
}

function changeColor(change: number, theme: Theme): Oklch {
  const { hue, chroma, l } = (change < 0 ? LESS : MORE)[theme]
  const strength = Math.abs(change)
  return { l: SAME[theme] + (l - SAME[theme]) * strength, c: chroma * strength, h: hue }
}
