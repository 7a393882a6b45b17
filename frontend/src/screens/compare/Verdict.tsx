import type { Diff } from '../../api/types'
import { part, type SideName } from '../../profile/compare'
import { formatPercent, formatRate } from '../../profile/units'
import { Icon } from '../../ui/Icon'
import { change } from '../../ui/location'
import { MAX_NODES } from '../../url'
import { type Doubt, doubtsOf } from './doubts'
import { differenceText, LETTERS } from './words'

/** Whether B costs more or less than A. */
export function Verdict({ diff, same }: { diff: Diff; same: boolean }) {
  return (
    <section className="verdict" aria-label="Verdict">
      <p className="verdict-words">{verdictText(diff)}</p>
      <Doubts doubts={doubtsOf(diff, same)} />
    </section>
  )
}

/** Why that might not be so: a loss of data must not pass for a speed-up. */
export function Doubts({ doubts }: { doubts: Doubt[] }) {
  if (doubts.length === 0) return null
  return (
    <ul className="doubts">
      {doubts.map(doubt => (
        <DoubtLine key={doubt.text} doubt={doubt} />
      ))}
    </ul>
  )
}

function DoubtLine({ doubt: { text, weight, nodes } }: { doubt: Doubt }) {
  return (
    <li className={weight}>
      <Icon name={weight === 'note' ? 'skip' : 'warn'} className={weight} />
      <span>
        {text}{' '}
        {nodes !== undefined && (
          <button type="button" className="button text" onClick={() => change({ nodes })}>
            {nodes < MAX_NODES ? 'Show them' : 'Show more of them'}
          </button>
        )}
      </span>
    </li>
  )
}

function verdictText(diff: Diff): string {
  const seconds = (name: SideName) => diff[name].coverage.recordedSeconds
  const empty = (['base', 'head'] as const).find(name => seconds(name) === 0)
  if (empty) {
    return `Side ${LETTERS[empty]} has no recording, so nothing can be said of a change.`
  }
  if ([diff.base, diff.head].some(({ total }) => total.value === 0 && total.count > 0)) {
    return 'Samples of a side have no value, so the sides are compared by the number of samples.'
  }
  const rate = (name: SideName) => part(diff[name].total.value, seconds(name))
  const [a, b] = [rate('base'), rate('head')]
  const words = differenceText(a, b, share => formatPercent(share, 1))
  return `Mean of a target: A ${formatRate(diff.type, a)}, B ${formatRate(diff.type, b)}, ${words}.`
}
