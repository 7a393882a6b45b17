import type { Loss } from '../../api/types'
import { formatBytes, formatCount, formatDuration, formatValue } from '../../profile/units'

interface Props {
  losses: Loss[]
  unit: string
  countUnit: string
}

/** Each loss with its cause, its size as far as it is known, and what to do about it. */
export function LossList({ losses, unit, countUnit }: Props) {
  return (
    <ul className="reason-list loss-list">
      {losses.map(loss => (
        <li key={loss.outcome + loss.reason}>
          <span>
            {loss.text} <code className="muted small">{loss.reason}</code>
          </span>
          <span className="number">{loss.outcome}</span>
          <span className="remedy">
            {sizeText(loss, unit, countUnit)}
            {loss.remedy && `. ${loss.remedy}.`}
          </span>
        </li>
      ))}
    </ul>
  )
}

export function sizeText(loss: Loss, unit: string, countUnit: string): string {
  const parts = [
    loss.count > 0 && `${formatCount(loss.count)} ${countUnit}`,
    loss.value > 0 && formatValue(unit, loss.value),
    loss.durationNs > 0 && `${formatDuration(loss.durationNs)} not recorded`,
    loss.bytes > 0 && `${formatBytes(loss.bytes)} of recording`,
  ].filter(Boolean)
  return parts.length === 0 ? 'Amount unknown' : parts.join(', ')
}
