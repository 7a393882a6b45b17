/** Why a difference between two sides might not be one of the program. */
import type { Coverage, Diff, Loss } from '../../api/types'
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
    ...doubtsOfSides({ A: diff.base.coverage, B: diff.head.coverage }, diff),
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

/** Coverage by the letter of a side. */
type Coverages = Record<string, Coverage>

/** What both sides have in common is said once. */
export function doubtsOfSides(sides: Coverages, { countUnit }: Pick<Diff, 'countUnit'>): Doubt[] {
  return [...doubtsOfWindows(sides), ...doubtsOfSamples(sides, countUnit), ...doubtsOfNotices(sides)]
}

function doubtsOfWindows(sides: Coverages): Doubt[] {
  const poor = Object.entries(sides)
    .map(([letter, coverage]) => {
      const { stored, expected } = coverage.windows
      const due = Math.max(expected - underway(coverage), stored)
      return { letter, stored, due, share: due > 0 ? stored / due : 1 }
    })
    .filter(({ share }) => share < ENOUGH_WINDOWS)
  if (poor.length === 0) return []
  const shares = poor.map(({ letter, stored, due }) => ({ letter, text: formatPercent(stored, due) }))
  return [
    {
      text: `${sharesOf('stands on', shares)} windows. What is missing does not count as saved; what ran meanwhile is not known.`,
      weight: poor.some(({ share }) => share < FEW_WINDOWS) ? 'bad' : 'warn',
    },
  ]
}

function doubtsOfSamples(sides: Coverages, countUnit: string): Doubt[] {
  const poor = Object.entries(sides)
    .map(([letter, { captured, truncated, dropped }]) => {
      return { letter, lost: truncated.count + dropped.count, of: captured.count }
    })
    .filter(({ lost, of }) => of > 0 && lost / of > TOO_MANY_LOST)
  if (poor.length === 0) return []
  const shares = poor.map(({ letter, lost, of }) => ({ letter, text: formatPercent(lost, of) }))
  return [
    {
      text: `${sharesOf('lost', shares)} ${countUnit} after they were captured: the figures are too low by as much.`,
      weight: 'bad',
    },
  ]
}

/** A lost 2 % of its, or: A lost 2 % and B 3 % of their. */
function sharesOf(verb: string, [first, ...rest]: { letter: string; text: string }[]): string {
  const others = rest.map(({ letter, text }) => ` and ${letter} ${text}`)
  return `${first.letter} ${verb} ${first.text}${others.join('')} of ${rest.length > 0 ? 'their' : 'its'}`
}

/** What is to be known of what is stored, as far as it is no routine. */
function doubtsOfNotices(sides: Coverages): Doubt[] {
  const found = new Map<string, { sides: string[]; notice: Loss }>()
  for (const [letter, { notices, stored }] of Object.entries(sides)) {
    for (const notice of notices.filter(n => !n.routine && n.outcome !== 'shortened')) {
      const known = found.get(notice.reason) ?? { sides: [], notice }
      const share = notice.count > 0 ? ` (${formatPercent(notice.count, stored.count)})` : ''
      known.sides.push(letter + share)
      found.set(notice.reason, known)
    }
  }
  return [...found.values()].map(({ sides, notice: { text, remedy } }) => ({
    text: `${sides.join(' and ')}: ${[text, remedy].filter(Boolean).join('. ')}.`,
    weight: 'warn' as const,
  }))
}

/** Windows that are not due yet: their sidecars may still send them. */
function underway({ windows, notCaptured, recordedSeconds }: Coverage): number {
  const pending = notCaptured.find(loss => loss.reason === 'window_not_yet_arrived')
  if (!pending || windows.stored === 0) return 0
  return Math.round(pending.durationNs / 1e9 / (recordedSeconds / windows.stored))
}
