/** Frames of a comparison in words. */
import type { Diff } from '../../api/types'
import { type Comparison, emptySide, part, type SideName } from '../../profile/compare'
import { OMITTED, type Profile } from '../../profile/decode'
import { splitName } from '../../profile/names'
import { ROOT, type Tree } from '../../profile/tree'
import {
  formatCount,
  formatPercent,
  formatRate,
  formatSamples,
  formatValue,
  significant,
  TYPE_LABELS,
} from '../../profile/units'
import type { Scale } from '../../url'
import { differenceText, LETTERS } from './words'

export interface FrameWords {
  title: string
  scope: string
  rows: { name: string; figures: string[] }[]
  note: string
}

/** A comparable amount: per second recorded, or a share of the total. */
export function formatComparable(
  { type, countUnit }: Diff,
  byCount: boolean,
  scale: Scale,
  amount: number,
): string {
  if (scale === 'share') return formatPercent(amount, 1)
  return byCount ? `${significant(amount)} ${countUnit}/s` : formatRate(type, amount)
}

export function wordsFor(diff: Diff, comparison: Comparison, scale: Scale) {
  const { profile, tree, base, head, divisors, byCount, change } = comparison
  const empty = emptySide(comparison)
  const comparable = (amount: number) => formatComparable(diff, byCount, scale, amount)
  const names = (of: Profile, frame: number) => {
    if (frame < 0) return { title: 'all', scope: '' }
    if (of.kinds[frame] === OMITTED) return { title: 'Omitted frames', scope: '' }
    const { short, scope } = splitName(of.functions[frame], of.kinds[frame])
    return { title: short, scope: scope.replace(/\.$/, '') }
  }
  const row = (name: string, what: 'self' | 'total', node: number) => {
    const [a, b] = [part(base[what][node], divisors.base.value), part(head[what][node], divisors.head.value)]
    return {
      name,
      figures: [
        empty === 'base' ? 'A –' : `A ${comparable(a)}`,
        empty === 'head' ? 'B –' : `B ${comparable(b)}`,
        empty ? `nothing on ${LETTERS[empty]}` : differenceText(a, b, share => formatPercent(share, 1)),
      ],
    }
  }
  const node = (at: number): FrameWords => ({
    ...names(profile, tree.frame[at]),
    rows: at === ROOT ? [row('Total', 'total', at)] : [row('Total', 'total', at), row('Self', 'self', at)],
    note:
      !empty && change[at] === 0 && base.total[at] !== head.total[at]
        ? `not told from chance: ${formatCount(base.totalCount[at])} and ${formatSamples(head.totalCount[at], diff.countUnit)}`
        : `${formatCount(base.totalCount[at])} and ${formatSamples(head.totalCount[at], diff.countUnit)}`,
  })
  const measured = (amount: number) =>
    byCount ? formatSamples(amount, diff.countUnit) : formatValue(diff.unit, amount)
  return {
    node,
    root: `A and B together, ${scale === 'rate' ? 'per second recorded' : 'each as a whole'}`,
    side: (name: SideName, total: number) =>
      `${name === 'base' ? 'A' : 'B'}: ${measured(total)} ${byCount ? '' : TYPE_LABELS[diff.type].amount}`,
    alone: (name: SideName, alone: { profile: Profile; tree: Tree }, at: number): FrameWords => {
      const { self, total } = alone.tree
      const figures = (amount: number) => [
        measured(amount),
        comparable(part(amount, divisors[name].value)),
        `${formatPercent(amount, total[ROOT])} of total`,
      ]
      return {
        ...names(alone.profile, alone.tree.frame[at]),
        rows: [
          { name: 'Total', figures: figures(total[at]) },
          { name: 'Self', figures: figures(self[at]) },
        ],
        note: formatSamples(alone.tree.totalCount[at], diff.countUnit),
      }
    },
  }
}
