import { useRef, useState } from 'react'
import type { Heatmap } from '../../api/types'
import { formatCounted, formatRate, formatSamples, formatValue, TYPE_LABELS } from '../../profile/units'
import { formatAxis } from '../../ui/axis'
import { change } from '../../ui/location'
import { formatInstant } from '../../ui/time'
import { useWidth } from '../../ui/width'
import { ticks } from './timelineShape'
import { useDrag } from './useDrag'

const HEIGHT = 96
const AXIS = 16

/** What a cell is, and what its colour says. */
export function HeatCaption({ heatmap }: { heatmap: Heatmap }) {
  const { type, rows, windowSeconds, perSecond } = heatmap
  return (
    <>
      <span className="strong">{TYPE_LABELS[type].tab}</span>
      <span className="muted">
        one cell = a window of {windowSeconds} s, one column = {formatCounted(rows, 'windows')}
        {rows > 1 && ' from top to bottom'}
      </span>
      <ul className="legend">
        <li>
          0 <span className="heat-scale" aria-hidden="true" /> {formatRate(type, mostOf(heatmap))}
        </li>
        {perSecond.includes(null) && (
          <li>
            <svg className="swatch" viewBox="0 0 12 12" aria-hidden="true">
              <rect width="12" height="12" fill="url(#hatch)" />
            </svg>
            No window stored
          </li>
        )}
      </ul>
    </>
  )
}

function mostOf({ perSecond }: Heatmap): number {
  return perSecond.reduce<number>((most, rate) => Math.max(most, rate ?? 0), 0)
}

/** Each window as a cell: columns are time, a column is read from top to bottom. Bursts show as dark cells. */
export function Heat({ heatmap }: { heatmap: Heatmap }) {
  const host = useRef<HTMLDivElement>(null)
  const width = useWidth(host)
  const [at, setAt] = useState(-1)
  const { perSecond, rows, windowSeconds } = heatmap
  const start = Date.parse(heatmap.start) / 1000
  const columns = Math.max(Math.ceil(perSecond.length / rows), 1)
  const [w, h] = [width / columns, HEIGHT / rows]
  const most = mostOf(heatmap)
  const timeOf = (column: number) => start + column * rows * windowSeconds
  const span = { from: timeOf(0) * 1000, to: timeOf(columns) * 1000, width }
  const drag = useDrag(host, (x0, x1) => {
    const [from, to] = [timeOf(Math.floor(x0 / w)), timeOf(Math.ceil(x1 / w))]
    change({ range: { kind: 'between', from, to }, zoom: [] })
  })
  const cellAt = (event: React.PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    const row = Math.floor((event.clientY - box.top) / h)
    if (row < 0 || row >= rows) return -1
    return Math.floor((event.clientX - box.left) / w) * rows + row
  }
  return (
    <div
      ref={host}
      className="timeline-plot heat"
      role="img"
      aria-label={`Heatmap of ${perSecond.length} windows of ${windowSeconds} s, up to ${formatRate(heatmap.type, most)}. The line shows the same values.`}
      onPointerMove={e => setAt(cellAt(e))}
      onPointerLeave={() => setAt(-1)}
    >
      <svg width={width} height={HEIGHT + AXIS} aria-hidden="true">
        {perSecond.map((rate, i) => (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: a window is its place in time
            key={i}
            x={Math.floor(i / rows) * w}
            y={(i % rows) * h}
            width={Math.max(w - (w > 4 ? 1 : 0), 0.5)}
            height={Math.max(h - (h > 4 ? 1 : 0), 0.5)}
            fill={rate === null ? 'url(#hatch)' : 'var(--line)'}
            fillOpacity={rate === null ? 1 : 0.06 + 0.94 * (most > 0 ? rate / most : 0)}
          />
        ))}
        {at >= 0 && at < perSecond.length && (
          <rect
            className="heat-cursor"
            x={Math.floor(at / rows) * w}
            y={(at % rows) * h}
            width={w}
            height={h}
          />
        )}
        {drag && <rect className="timeline-drag" x={drag.x0} width={drag.x1 - drag.x0} height={HEIGHT} />}
        {ticks(span).map(t => (
          <text
            key={t}
            className="timeline-label"
            x={Math.min(Math.max(((t - span.from) / (span.to - span.from)) * width, 16), width - 16)}
            y={HEIGHT + 12}
            textAnchor="middle"
          >
            {formatAxis(t, span.to - span.from)}
          </text>
        ))}
      </svg>
      {at >= 0 && at < perSecond.length && (
        <CellTip heatmap={heatmap} at={at} x={Math.floor(at / rows) * w} width={width} />
      )}
    </div>
  )
}

const TIP_WIDTH = 260

function CellTip({ heatmap, at, x, width }: { heatmap: Heatmap; at: number; x: number; width: number }) {
  const rate = heatmap.perSecond[at]
  const [value, count] = [heatmap.values[at], heatmap.counts[at]]
  const from = Date.parse(heatmap.start) + at * heatmap.windowSeconds * 1000
  const left = Math.min(Math.max(x - TIP_WIDTH / 2, 0), Math.max(width - TIP_WIDTH, 0))
  return (
    <div
      className="tooltip timeline-tip"
      style={{ left, top: HEIGHT + AXIS, width: TIP_WIDTH }}
      aria-hidden="true"
    >
      <div className="tooltip-title">
        {formatInstant(from)} <span className="muted">+ {heatmap.windowSeconds} s</span>
      </div>
      {rate === null || value === null || count === null ? (
        <div>No window is stored</div>
      ) : (
        <div>
          {formatRate(heatmap.type, rate)}, {formatValue(heatmap.unit, value)},{' '}
          {formatSamples(count, heatmap.countUnit)}
        </div>
      )}
    </div>
  )
}
