/** Why a difference between two sides might not be one of the program. */
import type { Coverage, Diff } from '../../api/types'
import { formatCount, formatPercent } from '../../profile/units'

export interface Doubt {
  text: string
  weight: 'warn' | 'bad'
}

/** Less of the windows, or more of the samples lost, is worth a word. */
const ENOUGH_WINDOWS = 0.98
const TOO_MANY_LOST = 0.01
/** Below this share of its windows a side is not to be trusted. */
const FEW_WINDOWS = 0.5

export function doubtsOfBoth({ omittedNodes, nodes }: Diff, same: boolean): Doubt[] {
  const doubts: Doubt[] = []
  if (same) {
    doubts.push({
      text: 'Both sides are the same selection. Choose another range, version, pod or service for A.',
      weight: 'warn',
    })
  }
  if (omittedNodes > 0) {
    doubts.push({
      text: `${formatCount(omittedNodes)} of ${formatCount(nodes)} frames are left out: the sums of light functions are too low on both sides.`,
      weight: 'warn',
    })
  }
  return doubts
}

export function doubtsOfSide(
  letter: string,
  coverage: Coverage,
  { countUnit }: Pick<Diff, 'countUnit'>,
): Doubt[] {
  const { windows, captured, truncated, dropped } = coverage
  const doubts: Doubt[] = []
  const due = Math.max(windows.expected - underway(coverage), windows.stored)
  const share = due > 0 ? windows.stored / due : 1
  if (share < ENOUGH_WINDOWS) {
    doubts.push({
      text: `${letter} stands on ${formatPercent(windows.stored, due)} of its windows. What is missing does not count as saved; what ran meanwhile is not known.`,
      weight: share < FEW_WINDOWS ? 'bad' : 'warn',
    })
  }
  const lost = truncated.count + dropped.count
  if (captured.count > 0 && lost / captured.count > TOO_MANY_LOST) {
    doubts.push({
      text: `${letter} lost ${formatPercent(lost, captured.count)} of its ${countUnit} after they were captured: its figures are too low by as much.`,
      weight: 'bad',
    })
  }
  return doubts
}

/** Windows that are not due yet: their sidecars may still send them. */
function underway({ windows, notCaptured, recordedSeconds }: Coverage): number {
  const pending = notCaptured.find(loss => loss.reason === 'window_not_yet_arrived')
  if (!pending || windows.stored === 0) return 0
  return Math.round(pending.durationNs / 1e9 / (recordedSeconds / windows.stored))
}
