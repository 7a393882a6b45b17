/** What the timeline derives from an answer. */
import type { Series, SeriesPoint, SeriesStatus } from '../api/types'

/** Value per second of one step, or undefined where nothing was recorded: a gap is no idleness. */
export function rateOf(point: SeriesPoint): number | undefined {
  return point.perSecond ?? undefined
}

export function countByStatus(series: Series): Record<SeriesStatus, number> {
  const counts: Record<SeriesStatus, number> = { complete: 0, partial: 0, lost: 0, pending: 0, none: 0 }
  for (const point of series.points) counts[point.status]++
  return counts
}

export const STATUS_LABELS: Record<SeriesStatus, string> = {
  complete: 'Complete',
  partial: 'Partial',
  lost: 'Lost',
  pending: 'Not arrived yet',
  none: 'No target',
}

/** A round number at or above value, for the top of an axis: 1, 2 or 5 times a power of ten (or of two). */
export function niceCeiling(value: number, base: 10 | 2): number {
  if (value <= 0) return 0
  if (base === 2) return 2 ** Math.ceil(Math.log2(value))
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 2.5, 5, 10].find(step => step * power >= value * 0.999999) ?? 10) * power
}
