/** Why a difference between two sides might not be one of the program. */
import type { Coverage, Diff } from '../../api/types'
import { part } from '../../profile/compare'
import { formatCount, formatPercent } from '../../profile/units'
import { MAX_NODES } from '../../url'

export interface Doubt {
  text: string
  weight: 'note' | 'warn' | 'bad'
  nodes?: number // to ask for instead
}

/** Less of the windows, or more of the samples lost or left out, is worth a warning. */
const ENOUGH_WINDOWS = 0.98
const TOO_MANY_LOST = 0.01
const TOO_MUCH_OMITTED = 0.02
/** Below this share of its windows a side is not to be trusted. */
const FEW_WINDOWS = 0.5

export function doubtsOf(diff: Diff, same: boolean): Doubt[] {
  return [
    ...(same ? [SAME] : []),
    ...doubtsOfSide('A', diff.base.coverage, diff),
    ...doubtsOfSide('B', diff.head.coverage, diff),
    ...(diff.omittedNodes > 0 ? [omitted(diff)] : []),
  ]
}

const SAME: Doubt = {
  text: 'Both sides are the same selection. Choose another range, version, pod or service for A.',
  weight: 'warn',
}

function omitted({ base, head, nodes, omittedNodes }: Diff): Doubt {
  const shares = [base, head].map(({ total, omitted: { value, count } }) =>
    total.value > 0 ? part(value, total.value) : part(count, total.count),
  )
  const [a, b] = shares.map(share => formatPercent(share, 1))
  return {
    text: `The lightest ${formatCount(omittedNodes)} of ${formatCount(nodes)} frames are drawn together as “Omitted frames”: ${a} of A and ${b} of B, which the functions in the table lack.`,
    weight: Math.max(...shares) > TOO_MUCH_OMITTED ? 'warn' : 'note',
    nodes: nodes - omittedNodes < MAX_NODES ? Math.min(2 * nodes, MAX_NODES) : undefined,
  }
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
