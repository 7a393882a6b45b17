import type { Windows } from '../api/types'
import { formatCount } from '../profile/units'

const WIDTH = 88
const HEIGHT = 8

/** Windows stored of windows expected; the rest is lost (hatched) or has not arrived (empty). */
export function CoverageBar({ windows }: { windows: Windows }) {
  const { expected, stored, lost } = windows
  const missing = Math.max(expected - stored - lost, 0)
  const scale = WIDTH / Math.max(expected, stored + lost, 1)
  const words = [
    `${formatCount(stored)} of ${formatCount(expected)} windows stored`,
    lost > 0 && `${formatCount(lost)} lost`,
    missing > 0 && `${formatCount(missing)} not arrived`,
  ]
  const text = words.filter(Boolean).join(', ')
  return (
    <div className="coverage" title={text}>
      <svg
        className="coverage-bar"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        width={WIDTH}
        height={HEIGHT}
        aria-hidden="true"
      >
        <rect width={stored * scale} height={HEIGHT} fill="var(--ok-fill)" />
        <rect x={stored * scale} width={lost * scale} height={HEIGHT} fill="var(--bad-wash)" />
        <rect x={stored * scale} width={lost * scale} height={HEIGHT} fill="url(#hatch-lost)" />
      </svg>
      <span className="nowrap" aria-hidden="true">
        {formatCount(stored)} / {formatCount(expected)}
      </span>
      <span className="sr-only">{text}</span>
    </div>
  )
}
