import { expect, test } from 'vitest'
import { seriesOf } from '../../e2e/fixture/answers'
import { FIXTURES } from '../../e2e/fixture/scene'
import { targetsOf } from '../../e2e/fixture/targets'
import { marksOf } from './marks'

const NOW = Date.parse('2026-06-15T14:30:42Z') / 1000
const checkout = FIXTURES[0]
const series = seriesOf(checkout, 'cpu', { from: NOW - 3600, to: NOW }, NOW)
const targets = targetsOf(NOW, 'checkout')

test('a sidecar restart is where its loss is told', () => {
  const told = series.points.filter(p => p.notCaptured.some(l => l.reason === 'sidecar_restarted'))
  expect(told.length).toBeGreaterThan(0)
  expect(marksOf({ ...series, by: '', parts: [] }, []).map(m => [m.at, m.kind])).toEqual(
    told.map(p => [Date.parse(p.start), 'sidecar']),
  )
})

test('a deploy is the first window of a version after those of another', () => {
  const zero = { value: 0, count: 0 }
  const part = (name: string, windows: number[]) => ({ name, total: zero, values: [], counts: [], windows })
  const parts = [part('2', [0, 0, 3]), part('1', [0, 2, 2]), part('0', [0, 0, 0])]
  const marks = marksOf({ ...series, points: series.points.slice(0, 3), by: 'version', parts }, [])
  expect(marks.filter(m => m.kind === 'deploy')).toEqual([
    { at: Date.parse(series.points[2].start), kind: 'deploy', text: 'First window of version 2' },
  ])
})

test('JVMs that started in one step are one mark, those outside of the range none', () => {
  const start = (i: number) => new Date(Date.parse(series.points[i].start) + 5000).toISOString()
  const at = (i: number, jvmStart: string) => ({
    ...targets[i],
    identity: { ...targets[i].identity, jvmStart },
  })
  const restarted = [at(0, start(4)), at(1, start(4)), targets[2]]
  const marks = marksOf({ ...series, by: '' }, restarted).filter(m => m.kind === 'jvm')
  expect(marks).toEqual([{ at: Date.parse(series.points[4].start), kind: 'jvm', text: '2 JVMs started' }])
})
