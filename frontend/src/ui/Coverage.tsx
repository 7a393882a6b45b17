import type { Windows } from '../api/types'
import { formatCount } from '../profile/units'

/** Windows stored of windows expected; the rest is lost (hatched) or has not arrived (empty). */
export function CoverageBar({ windows }: { windows: Windows }) {
  const { expected, stored, lost } = windows
  const missing = Math.max(expected - stored - lost, 0)
  const all = Math.max(expected, stored + lost, 1)
  const words = [
    `${formatCount(stored)} of ${formatCount(expected)} windows`,
    lost > 0 && `${formatCount(lost)} lost`,
    missing > 0 && `${formatCount(missing)} not arrived`,
  ]
  return (
    <div className="coverage" title={words.filter(Boolean).join(', ')}>
      <span className="coverage-bar" aria-hidden="true">
        <svg width="100%" height="8" preserveAspectRatio="none" viewBox={`0 0 ${all} 8`}>
          <title>{words.filter(Boolean).join(', ')}</title>
          <rect width={stored} height="8" fill="var(--ok-fill)" />
          <rect x={stored} width={lost} height="8" fill="var(--bad-fill)" />
        </svg>
      </span>
      <span className="nowrap">
        {formatCount(stored)} / {formatCount(expected)}
      </span>
      <span className="sr-only">{words.filter(Boolean).join(', ')}</span>
    </div>
  )
}
