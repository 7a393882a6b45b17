import { useMemo, useRef, useState } from 'react'
import { type Between, useSeries } from '../../api/queries'
import type { Series } from '../../api/types'
import type { SideName } from '../../profile/compare'
import { formatRate } from '../../profile/units'
import { formatAxis, formatMoment } from '../../ui/axis'
import { useLive } from '../../ui/live'
import { change } from '../../ui/location'
import { useWidth } from '../../ui/width'
import type { UrlState } from '../../url'
import { gaps, linePaths, type Shape, shapeOf, ticks } from '../profile/timelineShape'
import { useDrag } from '../profile/useDrag'
import { around, type Sides, sameService } from './sides'

const PLOT = 60
const HEIGHT = 80
const ALL_OF_SERVICE = {
  version: [],
  pod: [],
  container: [],
  node: [],
  series: '',
  thread: [],
  excludeThread: [],
}

/** The service of B around both ranges. One drag chooses the range of A, the next that of B. */
export function CompareTimeline({ url, sides }: { url: UrlState; sides: Sides }) {
  const { now } = useLive()
  const [armed, setArmed] = useState<SideName>('base')
  const [wider, setWider] = useState(0)
  const fit = around(sides.base.range, sides.head.range, now)
  const shown = widen(fit, wider, now)
  const series = useSeries({ ...url, ...ALL_OF_SERVICE }, shown)
  const choose = (range: Between) => {
    change(rangeChange(sides, armed, range))
    setArmed(armed === 'base' ? 'head' : 'base')
    setWider(0)
  }
  return (
    <figure className="timeline card compare-timeline">
      <figcaption className="timeline-caption small">
        <span className="strong">{url.service}</span>
        <span className="muted">
          {sameService(sides.base, sides.head)
            ? 'all versions and pods'
            : 'the service of B, all versions and pods'}
        </span>
        <span className="spacer" />
        <span className="segments" role="group" aria-label="A drag chooses the range of">
          {(['base', 'head'] as const).map(name => (
            <button type="button" key={name} aria-pressed={armed === name} onClick={() => setArmed(name)}>
              Drag {name === 'base' ? 'A' : 'B'}
            </button>
          ))}
        </span>
        <button type="button" className="button" onClick={() => setWider(wider + 1)}>
          Show more time
        </button>
      </figcaption>
      {series.data ? (
        <Plot series={series.data} sides={sides} onChoose={choose} />
      ) : (
        <div className="compare-plot muted">
          {series.error ? series.error.message : 'Loading the timeline…'}
        </div>
      )}
    </figure>
  )
}

function widen({ from, to }: Between, times: number, now: number): Between {
  const more = (to - from) * (2 ** times - 1)
  return {
    from: Math.max(Math.floor(from - more), 0),
    to: Math.max(Math.min(Math.ceil(to + more / 4), now), to),
  }
}

/** The other side keeps the range that it has on screen, whatever it was said by. */
function rangeChange({ base, head, given }: Sides, armed: SideName, range: Between): Partial<UrlState> {
  const ranges = { base: base.range, head: head.range, [armed]: range }
  return {
    range: { kind: 'between', ...ranges.head },
    base: { ...given, range: { kind: 'between', ...ranges.base } },
    zoom: [],
  }
}

interface PlotProps {
  series: Series
  sides: Sides
  onChoose(range: Between): void
}

function Plot({ series, sides, onChoose }: PlotProps) {
  const host = useRef<HTMLDivElement>(null)
  const width = useWidth(host)
  const shape = useMemo(() => shapeOf(series, Math.max(width, 1)), [series, width])
  const drag = useDrag(host, (x0, x1) => onChoose(snap(shape, series.stepSeconds, x0, x1)))
  return (
    <div ref={host} className="compare-plot">
      {width > 0 && (
        <svg width={shape.width} height={HEIGHT} role="img" aria-label={bandsText(sides)}>
          {gaps(series, shape).map(gap => (
            <rect key={gap.x} x={gap.x} width={gap.width} height={PLOT} fill="url(#hatch)" />
          ))}
          {linePaths(series, shape).map(path => (
            <path key={path.line} d={path.line} className="timeline-line" />
          ))}
          <path className="timeline-axis" d={`M0 ${PLOT + 0.5}H${shape.width}`} />
          <Band name="base" range={sides.base.range} shape={shape} />
          <Band name="head" range={sides.head.range} shape={shape} />
          {shape.top > 0 && (
            <text className="timeline-label" x={6} y={13}>
              {formatRate(series.type, shape.top)}
            </text>
          )}
          {ticks(shape).map(t => (
            <text
              key={t}
              className="timeline-label"
              x={clamp(shape.x(t), shape.width)}
              y={PLOT + 15}
              textAnchor="middle"
            >
              {formatAxis(t, shape.to - shape.from)}
            </text>
          ))}
          {drag && <rect className="timeline-drag" x={drag.x0} width={drag.x1 - drag.x0} height={PLOT} />}
        </svg>
      )}
    </div>
  )
}

function clamp(x: number, width: number): number {
  return Math.min(Math.max(x, 24), width - 24)
}

function Band({ name, range, shape }: { name: SideName; range: Between; shape: Shape }) {
  const x = shape.x(range.from * 1000)
  const width = Math.max(shape.x(range.to * 1000) - x, 2)
  const top = name === 'base' ? 0 : PLOT / 2 // one above the other: they may overlap
  return (
    <g className={`band band-${name}`}>
      <rect x={x} y={top} width={width} height={PLOT / 2} />
      <text
        x={Math.min(Math.max(x + width / 2, 8), shape.width - 8)}
        y={top + PLOT / 2 - 6}
        textAnchor="middle"
      >
        {name === 'base' ? 'A' : 'B'}
      </text>
    </g>
  )
}

function bandsText({ base, head }: Sides): string {
  const text = ({ from, to }: Between) => `${formatMoment(from * 1000)} to ${formatMoment(to * 1000)}`
  return `Timeline with A from ${text(base.range)} and B from ${text(head.range)}. The ranges can also be chosen by the controls above.`
}

/** Whole steps: a window belongs to the range in which it starts. */
function snap(shape: Shape, step: number, x0: number, x1: number): Between {
  const from = Math.floor(shape.time(x0) / 1000 / step) * step
  const to = Math.ceil(shape.time(x1) / 1000 / step) * step
  return { from, to: Math.max(to, from + step) }
}
