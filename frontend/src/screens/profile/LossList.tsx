import type { Coverage, Loss } from '../../api/types'
import { formatBytes, formatCount, formatDuration, formatSamples, formatValue } from '../../profile/units'

interface Props {
  losses: Loss[]
  unit: string
  countUnit: string
  showOutcome?: boolean
}

/** Each loss with its cause, its size as far as it is known, and what to do about it. */
export function LossList({ losses, unit, countUnit, showOutcome = true }: Props) {
  return (
    <ul className="reason-list loss-list">
      {losses.map(loss => (
        <li key={loss.outcome + loss.reason}>
          <span>
            {loss.text} <code className="muted small">{loss.reason}</code>
          </span>
          <span className="number">{showOutcome && loss.outcome}</span>
          <span className="remedy">
            {[sizeText(loss, unit, countUnit), loss.remedy].filter(Boolean).join('. ')}.
          </span>
        </li>
      ))}
    </ul>
  )
}

/** What is lost of what was captured, what was not captured, and what is to be known of the rest. */
export function ToldList({ told, unit, countUnit }: { told: Told; unit: string; countUnit: string }) {
  const groups = [
    { name: 'Captured, then lost', losses: told.losses, note: lossSum(told, countUnit) },
    { name: 'Not captured', losses: told.notCaptured, note: 'in none of the sums' },
    { name: 'Stored, but', losses: told.notices, note: 'part of what is stored' },
  ]
  return groups
    .filter(group => group.losses.length > 0)
    .map(group => (
      <section key={group.name} className="told">
        <h3>
          {group.name} <span className="muted small">{group.note}</span>
        </h3>
        <LossList
          losses={group.losses}
          unit={unit}
          countUnit={countUnit}
          showOutcome={group.losses !== told.notCaptured}
        />
      </section>
    ))
}

export type Told = Pick<Coverage, 'losses' | 'notCaptured' | 'notices' | 'truncated' | 'dropped'>

/** The line above the list: its entries add up to it. */
function lossSum({ truncated, dropped }: Told, countUnit: string): string {
  const sums = [
    truncated.count > 0 && `${formatCount(truncated.count)} truncated`,
    dropped.count > 0 && `${formatCount(dropped.count)} dropped`,
  ].filter(Boolean)
  return sums.length === 0 ? '' : `${sums.join(' + ')} ${countUnit}`
}

/** What is not captured in few words: 41 s and 12 samples. */
export function notCapturedText(losses: Loss[], countUnit: string): string {
  const sum = (key: 'durationNs' | 'count' | 'bytes') => losses.reduce((n, loss) => n + loss[key], 0)
  return [
    sum('durationNs') > 0 && formatDuration(sum('durationNs')),
    sum('count') > 0 && formatSamples(sum('count'), countUnit),
    sum('bytes') > 0 && `${formatBytes(sum('bytes'))} of recording`,
  ]
    .filter(Boolean)
    .join(' and ')
}

export function sizeText(loss: Loss, unit: string, countUnit: string): string {
  const parts = [
    loss.count > 0 &&
      `${formatSamples(loss.count, countUnit)}${loss.outcome === 'unvalued' ? ' without a value' : ''}`,
    loss.value > 0 && formatValue(unit, loss.value),
    loss.durationNs > 0 && `${formatDuration(loss.durationNs)} not captured`,
    loss.bytes > 0 && `${formatBytes(loss.bytes)} of recording`,
  ].filter(Boolean)
  return parts.length > 0 ? parts.join(', ') : loss.outcome === 'noticed' ? '' : 'Amount unknown'
}
