import type { Series, SeriesPoint } from '../../api/types'
import { rateOf, STATUS_LABELS } from '../../profile/series'
import { formatCount, formatRate, formatValue } from '../../profile/units'
import { formatInstant } from '../../ui/time'
import { sizeText } from './LossList'
import { HEIGHT } from './timelineShape'

const MOST_LOSSES = 4
const TIP_WIDTH = 300

interface Props {
  series: Series
  point: SeriesPoint
  x: number
  width: number
}

export function TimelineTip({ series, point, x, width }: Props) {
  const start = Date.parse(point.start)
  const rate = rateOf(series, point)
  const left = Math.min(Math.max(x - TIP_WIDTH / 2, 0), Math.max(width - TIP_WIDTH, 0))
  const { expected, stored, lost } = point.windows
  return (
    <div
      className="tooltip timeline-tip"
      style={{ left, top: HEIGHT, width: Math.min(TIP_WIDTH, width) }}
      aria-hidden="true"
    >
      <div className="tooltip-title">
        {formatInstant(start)} <span className="muted">+ {series.stepSeconds} s</span>
      </div>
      <div>
        <span className="strong">{STATUS_LABELS[point.status]}</span>
        {expected > 0 && `, ${formatCount(stored)} of ${formatCount(expected)} windows stored`}
        {lost > 0 && `, ${formatCount(lost)} lost`}
      </div>
      <div>
        {rate === undefined
          ? 'No value: nobody recorded it'
          : `${formatRate(series.type, rate)}, ${formatValue(series.unit, point.value)}, ${formatCount(point.count)} ${series.countUnit}`}
      </div>
      {point.losses.slice(0, MOST_LOSSES).map(loss => (
        <div key={loss.outcome + loss.reason} className="tip-loss small">
          {loss.text}: {sizeText(loss, series.unit, series.countUnit)}
        </div>
      ))}
      {point.losses.length > MOST_LOSSES && (
        <div className="small muted">and {point.losses.length - MOST_LOSSES} more reasons</div>
      )}
    </div>
  )
}
