/** Where things are on the timeline, in pixels. Pure. */
import type { Series } from '../../api/types'
import { niceCeiling, rateOf } from '../../profile/series'

export interface Shape {
  from: number // ms
  to: number
  width: number
  top: number // value per second at the top of the plot; 0 if there is no value above 0
  plot: number // height of the plot; below it the strip of windows, then the axis
  strip: { top: number; height: number }
  axis: number // top of the axis
  height: number
  x(ms: number): number
  time(x: number): number
}

/** Heights of plot, strip and axis. */
export const SLIM = { plot: 22, strip: 9, axis: 15 }
export const TALL = { plot: 60, strip: 14, axis: 18 }
const STRIP_GAP = 3

export function shapeOf(series: Series, width: number, size = TALL): Shape {
  const from = Date.parse(series.range.from)
  const to = Math.max(Date.parse(series.range.to), from + 1)
  const rates = series.points.map(p => rateOf(p) ?? 0)
  const base = series.unit === 'bytes' ? 2 : 10
  const strip = { top: size.plot + STRIP_GAP, height: size.strip }
  const axis = strip.top + strip.height
  return {
    from,
    to,
    width,
    top: niceCeiling(Math.max(0, ...rates), base),
    plot: size.plot,
    strip,
    axis,
    height: axis + size.axis,
    x: ms => Math.min(Math.max(((ms - from) / (to - from)) * width, 0), width),
    time: x => from + (x / width) * (to - from),
  }
}

/** The line through the steps with a value, one path per stretch without a gap. */
export function linePaths(series: Series, shape: Shape): { line: string; area: string }[] {
  const paths: { line: string; area: string }[] = []
  let current: string[] = []
  let start = 0
  let end = 0
  const close = () => {
    if (current.length > 0) {
      const line = `M${current.join('L')}`
      paths.push({ line, area: `${line}L${end} ${shape.plot}L${start} ${shape.plot}Z` })
    }
    current = []
  }
  for (const point of series.points) {
    const rate = rateOf(point)
    const x0 = round(shape.x(Date.parse(point.start)))
    if (rate === undefined || x0 > end + 0.5) close()
    if (rate === undefined) continue
    if (current.length === 0) start = x0
    end = round(shape.x(Date.parse(point.start) + series.stepSeconds * 1000))
    const y = round(shape.plot - (rate / (shape.top || 1)) * shape.plot * 0.9)
    current.push(`${x0} ${y}`, `${end} ${y}`)
  }
  close()
  return paths
}

/** Stretches of time without a value, in pixels: hatched, as nobody knows. */
export function gaps(series: Series, shape: Shape): { x: number; width: number }[] {
  const found: { x: number; width: number }[] = []
  let at = shape.from
  const add = (from: number, to: number) => {
    const x = shape.x(from)
    const width = shape.x(to) - x
    const last = found.at(-1)
    if (width < 0.5) return
    if (last && last.x + last.width >= x - 0.5) last.width = x + width - last.x
    else found.push({ x, width })
  }
  for (const point of series.points) {
    const start = Date.parse(point.start)
    add(at, start)
    at = start + series.stepSeconds * 1000
    if (rateOf(point) === undefined) add(start, at)
  }
  add(at, shape.to)
  return found
}

const TICKS_MS = [10, 30, 60, 300, 600, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400].map(
  s => s * 1000,
)
const TICK_SPACING = 90

/** Round instants of local time, far enough from each other to be labelled. */
export function ticks(shape: Pick<Shape, 'from' | 'to' | 'width'>): number[] {
  const most = Math.max(shape.width / TICK_SPACING, 1)
  const step = TICKS_MS.find(s => (shape.to - shape.from) / s <= most) ?? TICKS_MS[TICKS_MS.length - 1]
  const zone = new Date(shape.from).getTimezoneOffset() * 60_000
  const found: number[] = []
  for (let t = Math.ceil((shape.from - zone) / step) * step + zone; t < shape.to; t += step) found.push(t)
  return found
}

function round(x: number): number {
  return Math.round(x * 10) / 10
}
