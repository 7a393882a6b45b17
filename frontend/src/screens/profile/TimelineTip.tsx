import type { Series, SeriesPoint } from '../../api/types'
import type { Mark } from '../../profile/marks'
import { rateOf, STATUS_LABELS } from '../../profile/series'
import { formatCount, formatCounted, formatRate, formatSamples, formatValue } from '../../profile/units'
import { formatInstant } from '../../ui/time'
import { sizeText } from './LossList'

const MOST_LOSSES = 4
const TIP_WIDTH = 300

interface Props {
  series: Series
  point: SeriesPoint
  marks: Mark[] // but those whose loss is told anyway
  x: number
  top: number
  width: number
}

export function TimelineTip({ series, point, marks, x, top, width }: Props) {
  const start = Date.parse(point.start)
  const rate = rateOf(point)
  const left = Math.min(Math.max(x - TIP_WIDTH / 2, 0), Math.max(width - TIP_WIDTH, 0))
  const { expected, stored, lost } = point.windows
  const told = [
    ...point.losses.map(loss => ({ what: loss.outcome as string, loss })),
    ...point.notCaptured.map(loss => ({ what: 'not captured', loss })),
    ...point.notices.map(loss => ({ what: loss.outcome as string, loss })),
  ]
  return (
    <div
      className="tooltip timeline-tip"
      style={{ left, top, width: Math.min(TIP_WIDTH, width) }}
      aria-hidden="true"
    >
      <div className="tooltip-title">
        {formatInstant(start)} <span className="muted">+ {series.stepSeconds} s</span>
      </div>
      <div>
        <span className="strong">{STATUS_LABELS[point.status]}</span>
        {expected > 0 && `, ${formatCount(stored)} of ${formatCounted(expected, 'windows')} stored`}
        {lost > 0 && `, ${formatCount(lost)} lost`}
      </div>
      <div>
        {rate === undefined
          ? point.count > 0
            ? `Value not known, ${formatSamples(point.count, series.countUnit)}`
            : 'No value: not captured'
          : `${formatRate(series.type, rate)}, ${formatValue(series.unit, point.value)}, ${formatSamples(point.count, series.countUnit)}`}
      </div>
      {marks.map(mark => (
        <div key={mark.kind} className="tip-mark small">
          {mark.text}
        </div>
      ))}
      {told.slice(0, MOST_LOSSES).map(({ what, loss }) => (
        <div
          key={what + loss.outcome + loss.reason}
          className={`tip-loss small${loss.routine ? ' routine' : ''}`}
        >
          {[loss.text, sizeText(loss, series.unit, series.countUnit)].filter(Boolean).join(': ')}{' '}
          <span className="muted">({what})</span>
        </div>
      ))}
      {told.length > MOST_LOSSES && (
        <div className="small muted">and {formatCounted(told.length - MOST_LOSSES, 'more reasons')}</div>
      )}
    </div>
  )
}
