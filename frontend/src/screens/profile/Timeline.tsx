import { useMemo, useRef, useState } from 'react'
import type { Series } from '../../api/types'
import { countByStatus, rateOf, STATUS_LABELS } from '../../profile/series'
import { formatCount, formatRate, TYPE_LABELS } from '../../profile/units'
import { change } from '../../ui/location'
import { formatClock, formatClockShort, formatInstant } from '../../ui/time'
import { useWidth } from '../../ui/width'
import { StatusCell } from './StatusCell'
import { TimelineTip } from './TimelineTip'
import { AXIS_TOP, gaps, HEIGHT, linePaths, PLOT_HEIGHT, type Shape, shapeOf, ticks } from './timelineShape'
import { useDrag } from './useDrag'

/** The value over time, and below it what became of each window. A drag chooses a range. */
export function Timeline({ series, old }: { series: Series; old: boolean }) {
  const host = useRef<HTMLDivElement>(null)
  const width = useWidth(host)
  const shape = useMemo(() => shapeOf(series, Math.max(width, 1)), [series, width])
  const [at, setAt] = useState(-1)
  const step = series.stepSeconds * 1000
  const indexAt = (x: number) => {
    const t = shape.time(x)
    return series.points.findIndex(p => Date.parse(p.start) <= t && t < Date.parse(p.start) + step)
  }
  const drag = useDrag(host, (x0, x1) => change({ range: snap(shape, step, x0, x1), zoom: [] }))
  const point = series.points[at]
  const onKey = (event: React.KeyboardEvent) => {
    const last = series.points.length - 1
    const moves: Record<string, number> = {
      ArrowLeft: at < 0 ? last : at - 1,
      ArrowRight: at + 1,
      Home: 0,
      End: last,
    }
    if (event.key in moves) setAt(Math.min(Math.max(moves[event.key], 0), last))
    else if (event.key === 'Enter' && point)
      change({ range: stepRange(point.start, series.stepSeconds), zoom: [] })
    else if (event.key === 'Escape') setAt(-1)
    else return
    event.preventDefault()
  }
  return (
    <figure className={old ? 'timeline card old' : 'timeline card'}>
      <Caption series={series} />
      <div
        ref={host}
        className="timeline-plot"
        role="slider"
        tabIndex={0}
        aria-label="Timeline. Enter shows one step; a drag chooses a range."
        aria-valuemin={0}
        aria-valuemax={Math.max(series.points.length - 1, 0)}
        aria-valuenow={Math.max(at, 0)}
        aria-valuetext={point ? pointText(series, at) : 'no step chosen'}
        onKeyDown={onKey}
        onBlur={() => setAt(-1)}
        onPointerMove={e => setAt(indexAt(e.clientX - e.currentTarget.getBoundingClientRect().left))}
        onPointerLeave={() => setAt(-1)}
      >
        {width > 0 && <Plot series={series} shape={shape} at={at} drag={drag} />}
        {point && (
          <TimelineTip
            series={series}
            point={point}
            x={shape.x(Date.parse(point.start) + step / 2)}
            width={width}
          />
        )}
      </div>
    </figure>
  )
}

function Caption({ series }: { series: Series }) {
  const counts = countByStatus(series)
  const present = (['complete', 'partial', 'lost', 'pending', 'none'] as const).filter(s => counts[s] > 0)
  return (
    <figcaption className="timeline-caption small">
      <span className="strong">{TYPE_LABELS[series.type].tab}</span>
      <span className="muted">
        one cell = {series.stepSeconds} s,{' '}
        {series.targets === 1 ? '1 target' : `${formatCount(series.targets)} targets`}
      </span>
      <ul className="legend">
        {present.map(status => (
          <li key={status}>
            <svg className="swatch" viewBox="0 0 12 12" aria-hidden="true">
              <StatusCell status={status} x={0} y={0} width={12} height={12} />
            </svg>
            {STATUS_LABELS[status]} {counts[status]}
          </li>
        ))}
      </ul>
    </figcaption>
  )
}

interface PlotProps {
  series: Series
  shape: Shape
  at: number
  drag: { x0: number; x1: number } | undefined
}

function Plot({ series, shape, at, drag }: PlotProps) {
  const step = series.stepSeconds * 1000
  const point = series.points[at]
  return (
    <svg width={shape.width} height={HEIGHT} aria-hidden="true">
      {gaps(series, shape).map(gap => (
        <rect key={gap.x} x={gap.x} width={gap.width} height={PLOT_HEIGHT} fill="url(#hatch)" />
      ))}
      {linePaths(series, shape).map(path => (
        <g key={path.line}>
          <path d={path.area} className="timeline-area" />
          <path d={path.line} className="timeline-line" />
        </g>
      ))}
      <path className="timeline-axis" d={`M0 ${PLOT_HEIGHT + 0.5}H${shape.width}`} />
      {shape.top > 0 && (
        <text className="timeline-label" x={6} y={13}>
          {formatRate(series.type, shape.top)}
        </text>
      )}
      {series.points.map(p => {
        const x0 = shape.x(Date.parse(p.start))
        return (
          <StatusCell
            key={p.start}
            status={p.status}
            x={x0}
            width={shape.x(Date.parse(p.start) + step) - x0}
          />
        )
      })}
      {ticks(shape).map(t => (
        <text
          key={t}
          className="timeline-label"
          x={Math.min(Math.max(shape.x(t), 16), shape.width - 16)}
          y={AXIS_TOP + 14}
          textAnchor="middle"
        >
          {t % 60_000 === 0 ? formatClockShort(t) : formatClock(t)}
        </text>
      ))}
      {point && (
        <rect
          className="timeline-cursor"
          x={shape.x(Date.parse(point.start))}
          width={Math.max(shape.x(Date.parse(point.start) + step) - shape.x(Date.parse(point.start)), 1)}
          height={AXIS_TOP}
        />
      )}
      {drag && <rect className="timeline-drag" x={drag.x0} width={drag.x1 - drag.x0} height={AXIS_TOP} />}
    </svg>
  )
}

function pointText(series: Series, at: number): string {
  const point = series.points[at]
  const rate = rateOf(series, point)
  const value = rate === undefined ? 'no value' : formatRate(series.type, rate)
  return `${formatInstant(Date.parse(point.start))}, ${value}, ${STATUS_LABELS[point.status]}`
}

/** Whole steps: a window belongs to the range in which it starts. */
function snap(shape: Shape, step: number, x0: number, x1: number) {
  const from = Math.floor(shape.time(x0) / step) * step
  const to = Math.ceil(shape.time(x1) / step) * step
  return { kind: 'between', from: from / 1000, to: Math.max(to, from + step) / 1000 } as const
}

function stepRange(start: string, seconds: number) {
  const from = Date.parse(start) / 1000
  return { kind: 'between', from, to: from + seconds } as const
}
