import { expect, test } from 'vitest'
import type { Series, SeriesPoint, SeriesStatus } from '../../api/types'
import { gaps, linePaths, shapeOf, ticks } from './timelineShape'

const start = Date.UTC(2026, 0, 1)

function point(i: number, value: number, status: SeriesStatus): SeriesPoint {
  const stored = status === 'complete' ? 1 : 0
  return {
    start: new Date(start + i * 60_000).toISOString(),
    value,
    count: 1,
    perSecond: stored === 0 ? null : value / 60,
    windows: { expected: 1, stored, lost: status === 'lost' ? 1 : 0 },
    status,
    losses: [],
    notCaptured: [],
    notices: [],
  }
}

const series: Series = {
  range: { from: new Date(start).toISOString(), to: new Date(start + 600_000).toISOString() },
  type: 'cpu',
  unit: 'ns',
  countUnit: 'samples',
  stepSeconds: 60,
  by: '',
  parts: [],
  otherParts: 0,
  targets: 1,
  points: [
    point(0, 60e9, 'complete'),
    point(1, 120e9, 'complete'),
    point(2, 0, 'lost'),
    point(3, 0, 'complete'),
  ],
}

test('the line breaks at a gap and is zero only where zero was measured', () => {
  const shape = shapeOf(series, 100)
  expect(shape.top).toBe(2e9)
  const paths = linePaths(series, shape)
  expect(paths.map(p => p.line)).toEqual([`M0 33L10 33L10 6L20 6`, `M30 ${shape.plot}L40 ${shape.plot}`])
  expect(paths[0].area.endsWith(`L20 ${shape.plot}L0 ${shape.plot}Z`)).toBe(true)
})

test('gaps: what was lost and what is beyond the points', () => {
  expect(gaps(series, shapeOf(series, 100))).toEqual([
    { x: 20, width: 10 },
    { x: 40, width: 60 },
  ])
})

test('ticks at round instants, not too many', () => {
  const shape = shapeOf(series, 500)
  expect(ticks(shape).map(t => (t - start) / 60_000)).toEqual([0, 5])
  expect(ticks(shapeOf(series, 1)).length).toBeLessThanOrEqual(1)
})
