/** Sides and differences in words. */
import type { SideName } from '../../profile/compare'

export const LETTERS: Record<SideName, string> = { base: 'A', head: 'B' }

/** "a quarter" is no measure: 25.0 % more, 20.0 % less, as much, new, gone. */
export function differenceText(base: number, head: number, percent: (share: number) => string): string {
  if (base === head) return 'as much'
  if (base === 0) return 'new'
  if (head === 0) return 'gone'
  const share = Math.abs(head - base) / base
  return `${percent(share)} ${head > base ? 'more' : 'less'}`
}
