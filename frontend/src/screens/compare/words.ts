/** Sides and differences in words. */
import type { SideName } from '../../profile/compare'
import { formatBetween } from '../../ui/time'
import { type Sides, sameService } from './sides'

export const LETTERS: Record<SideName, string> = { base: 'A', head: 'B' }

/** "a quarter" is no measure: 25.0 % more, 20.0 % less, as much, new, gone. */
export function differenceText(base: number, head: number, percent: (share: number) => string): string {
  if (base === head) return 'as much'
  if (base === 0) return 'new'
  if (head === 0) return 'gone'
  const share = Math.abs(head - base) / base
  return `${percent(share)} ${head > base ? 'more' : 'less'}`
}

/** What a side is of: its service where the other has another one, and what it is narrowed to. */
export function sideText(sides: Sides, name: SideName): string {
  const { service, namespace, cluster, version, pod, thread, series, range } = sides[name]
  const parts = [
    sameService(sides.base, sides.head) ? '' : [service, namespace, cluster].filter(Boolean).join(' · '),
    oneOrMore(version, 'versions') || 'All versions',
    oneOrMore(pod, 'pods'),
    oneOrMore(thread, 'thread groups'),
    series && `target ${series}`,
    formatBetween(range.from * 1000, range.to * 1000),
  ]
  return parts.filter(Boolean).join(', ')
}

/** The one that is chosen, or how many are. */
export function oneOrMore(chosen: string[], plural: string): string {
  return chosen.length > 1 ? `${chosen.length} ${plural}` : chosen.join()
}
