import { useMemo, useRef, useState } from 'react'
import type { Answer } from '../../api/answer'
import type { Heatmap, Series, Target } from '../../api/types'
import { type Mark, marksOf } from '../../profile/marks'
import { countByStatus, rateOf, STATUS_LABELS } from '../../profile/series'
import { someThreads } from '../../profile/threads'
import { formatCounted, formatRate, TYPE_LABELS } from '../../profile/units'
import { formatAxis } from '../../ui/axis'
import { change } from '../../ui/location'
import { formatInstant } from '../../ui/time'
import { useWidth } from '../../ui/width'
import type { TimelineView, UrlState } from '../../url'
import { Heat, HeatCaption } from './Heat'
import { StatusCell } from './StatusCell'
import { Threads } from './Threads'
import { TimelineTip } from './TimelineTip'
import { gaps, linePaths, type Shape, SLIM, shapeOf, TALL, ticks } from './timelineShape'
import { useDrag } from './useDrag'

const VIEWS: readonly (readonly [TimelineView, string])[] = [
  ['slim', 'Slim'],
  ['line', 'Line'],
  ['heat', 'Heatmap'],
  ['threads', 'Threads'],
]

interface Props {
  url: UrlState
  series: Series
  targets: Target[]
  heatmap: Answer<Heatmap>
  threads: Answer<Series>
  old: boolean
}

/** The value over time, and below it what became of each window; or each window as a cell; or the thread groups. A drag chooses a range. */
export function Timeline({ url, series, targets, heatmap, threads, old }: Props) {
  const view = url.timeline
  return (
    <figure className={`timeline card is-${view} ${old ? 'old' : ''}`}>
      <figcaption className="timeline-caption small">
        {view === 'line' && <Caption series={series} />}
        {view === 'heat' && heatmap.data && <HeatCaption heatmap={heatmap.data} />}
        {view === 'heat' && someThreads(url) && (
          <span className="warn">of all threads: the sums of windows do not tell them apart</span>
        )}
        {view === 'threads' && <span className="strong">{TYPE_LABELS[series.type].tab} by thread group</span>}
        <span className="segments" role="group" aria-label="Timeline">
          {VIEWS.map(([shown, label]) => (
            <button
              type="button"
              key={shown}
              aria-pressed={shown === view}
              onClick={() => change({ timeline: shown }, true)}
            >
              {label}
            </button>
          ))}
        </span>
      </figcaption>
      {view === 'threads' ? (
        <Threads url={url} answer={threads} />
      ) : view !== 'heat' ? (
        <Line series={series} targets={targets} slim={view === 'slim'} />
      ) : heatmap.data ? (
        <Heat heatmap={heatmap.data} />
      ) : (
        <p className="timeline-none muted">{heatmap.error?.message ?? 'Loading the heatmap…'}</p>
      )}
    </figure>
  )
}

function Line({ series, targets, slim }: { series: Series; targets: Target[]; slim: boolean }) {
  const host = useRef<HTMLDivElement>(null)
  const width = useWidth(host)
  const shape = useMemo(() => shapeOf(series, Math.max(width, 1), slim ? SLIM : TALL), [series, width, slim])
  const marks = useMemo(() => marksOf(series, targets), [series, targets])
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
      {width > 0 && <Plot series={series} shape={shape} marks={marks} at={at} drag={drag} />}
      {point && (
        <TimelineTip
          series={series}
          point={point}
          marks={marks.filter(mark => mark.at === Date.parse(point.start) && mark.kind !== 'sidecar')}
          x={shape.x(Date.parse(point.start) + step / 2)}
          top={shape.height}
          width={width}
        />
      )}
    </div>
  )
}

function Caption({ series }: { series: Series }) {
  const counts = countByStatus(series)
  const present = (['complete', 'partial', 'lost', 'pending', 'none'] as const).filter(s => counts[s] > 0)
  return (
    <>
      <span className="strong">{TYPE_LABELS[series.type].tab}</span>
      <span className="muted">
        one cell = {series.stepSeconds} s, {formatCounted(series.targets, 'targets')}
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
    </>
  )
}

interface PlotProps {
  series: Series
  shape: Shape
  marks: Mark[]
  at: number
  drag: { x0: number; x1: number } | undefined
}

function Plot({ series, shape, marks, at, drag }: PlotProps) {
  const step = series.stepSeconds * 1000
  const point = series.points[at]
  return (
    <svg width={shape.width} height={shape.height} aria-hidden="true">
      {gaps(series, shape).map(gap => (
        <rect key={gap.x} x={gap.x} width={gap.width} height={shape.plot} fill="url(#hatch)" />
      ))}
      {linePaths(series, shape).map(path => (
        <g key={path.line}>
          <path d={path.area} className="timeline-area" />
          <path d={path.line} className="timeline-line" />
        </g>
      ))}
      <path className="timeline-axis" d={`M0 ${shape.plot + 0.5}H${shape.width}`} />
      {shape.top > 0 && shape.plot > SLIM.plot && (
        <text className="timeline-label" x={6} y={12}>
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
            y={shape.strip.top}
            height={shape.strip.height}
          />
        )
      })}
      {ticks(shape).map(t => (
        <text
          key={t}
          className="timeline-label"
          x={Math.min(Math.max(shape.x(t), 16), shape.width - 16)}
          y={shape.height - 4}
          textAnchor="middle"
        >
          {formatAxis(t, shape.to - shape.from)}
        </text>
      ))}
      {marks.map(mark => (
        <path key={mark.kind + mark.at} className={`mark mark-${mark.kind}`} d={markPath(shape, mark)} />
      ))}
      {point && (
        <rect
          className="timeline-cursor"
          x={shape.x(Date.parse(point.start))}
          width={Math.max(shape.x(Date.parse(point.start) + step) - shape.x(Date.parse(point.start)), 1)}
          height={shape.axis}
        />
      )}
      {drag && <rect className="timeline-drag" x={drag.x0} width={drag.x1 - drag.x0} height={shape.axis} />}
    </svg>
  )
}

/** A pennant on a pole; where it points says of what kind it is. */
function markPath(shape: Shape, { at, kind }: Mark): string {
  const x = Math.round(shape.x(at)) + 0.5
  const head = { deploy: 'l7 3.5l-7 3.5', jvm: 'l-7 3.5l7 3.5', sidecar: 'l4 4l-4 4l-4 -4l4 -4' }[kind]
  return `M${x} ${shape.plot}V1${head}`
}

function pointText(series: Series, at: number): string {
  const point = series.points[at]
  const rate = rateOf(point)
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
