/** Labels that fit. Widths are summed from single characters, measured once: no layout per label. */
import { splitName } from '../profile/names'

export interface Metrics {
  /** Width of text in the pixels of the context that was measured. */
  width(text: string): number
}

const ELLIPSIS = '…'

export function measureWith(measure: (text: string) => number): Metrics {
  const known = new Float32Array(128).fill(-1)
  const other = measure('W')
  const one = (code: number): number => {
    if (code >= 128) return other
    if (known[code] < 0) known[code] = measure(String.fromCharCode(code))
    return known[code]
  }
  return {
    width(text) {
      let sum = 0
      for (let i = 0; i < text.length; i++) sum += one(text.charCodeAt(i))
      return sum
    },
  }
}

/**
 * What of a name is written into a box of that width: Class.method, else the method, else its beginning; empty
 * if not even three characters fit.
 */
export function fitLabel(name: string, kind: number, width: number, metrics: Metrics): string {
  const { short, tail } = splitName(name, kind)
  if (metrics.width(short) <= width) return short
  if (metrics.width(tail) <= width) return tail
  const room = width - metrics.width(ELLIPSIS)
  let sum = 0
  let i = 0
  while (i < tail.length) {
    sum += metrics.width(tail[i])
    if (sum > room) break
    i++
  }
  return i < 2 ? '' : tail.slice(0, i) + ELLIPSIS
}
