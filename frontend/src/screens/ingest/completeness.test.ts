import { describe, expect, test } from 'vitest'
import { servicesOf } from '../../../e2e/fixture/answers'
import { healthOf } from '../../../e2e/fixture/health'
import { targetsOf } from '../../../e2e/fixture/targets'
import type { Service } from '../../api/types'
import { missingOf, queueOf, sumWindows, verdictOf } from './completeness'

const NOW = Date.parse('2026-06-15T14:30:42Z') / 1000
const { services } = servicesOf({ from: NOW - 3600, to: NOW }, NOW)
const targets = targetsOf(NOW, '')
const only = (...names: string[]) => services.filter(s => names.includes(s.service))
const healthy = healthOf(NOW, true)
const quiet = targets.filter(t => t.spool.windows === 0 && !t.silent)

function whole(service: Service): Service {
  const { expected } = service.windows
  return { ...service, windows: { expected, stored: expected, lost: 0 }, losses: [], notCaptured: [] }
}

describe('completeness', () => {
  test('windows of all services add up', () => {
    const sum = sumWindows(services)
    expect(sum.expected).toBe(services.reduce((n, s) => n + s.windows.expected, 0))
    expect(sum.stored + sum.lost).toBeLessThanOrEqual(sum.expected)
  })

  test('one reason of several services is one line, the longest loss first', () => {
    const missing = missingOf(services)
    expect(missing.map(m => m.loss.reason)).toEqual([...new Set(missing.map(m => m.loss.reason))])
    const durations = missing.map(m => m.loss.durationNs)
    expect(durations).toEqual(durations.toSorted((a, b) => b - a))
    const conflict = missing.find(m => m.loss.reason === 'conflict')
    expect(conflict?.services.map(s => s.service)).toEqual(['payments'])
    expect(missing.some(m => m.loss.routine)).toBe(false)
  })

  test('a sidecar of two targets has one spool', () => {
    const queued = targets.filter(t => t.spool.windows > 0)
    const twice = queued.map(t => ({ ...t, sidecar: 'one' }))
    expect(queueOf(twice)).toMatchObject({ sidecars: 1, windows: 14, oldestSeconds: 840 })
    expect(queueOf(queued)).toMatchObject({ sidecars: queued.length, windows: 14 * queued.length })
  })

  test.each<[string, Service[], string, RegExp]>([
    ['complete', only('checkout').map(whole), 'ok', /^100\s% of \d+ expected windows are stored\.$/],
    ['with losses', only('inventory'), 'warn', /windows are lost/],
    ['of nothing', [], 'warn', /^No window was expected/],
  ])('data that is %s', (_, list, tone, text) => {
    const verdict = verdictOf(healthy, list, quiet, missingOf(list))
    expect(verdict.tone).toBe(tone)
    expect(verdict.text).toMatch(text)
    expect(verdict.todo).not.toBe('')
  })

  test.each([
    ['just been queued', 11, 10, 'ok', /^100\s% of \d+ expected windows are stored\.$/],
    ['just been queued and is long', 620, 600, 'ok', /^100\s% of/],
    ['waited long', 400, 10, 'warn', /1 window waits in 1 sidecar, the oldest for/],
    ['waited long and is long', 700, 600, 'warn', /1 window waits/],
  ])('a window that has %s', (_, oldestSeconds, windowSeconds, tone, text) => {
    const [{ spool, state, ...rest }] = quiet
    const one = {
      ...rest,
      spool: { ...spool, windows: 1, oldestSeconds },
      state: { ...state, windowSeconds },
    }
    const verdict = verdictOf(healthy, only('checkout').map(whole), [one], [])
    expect(verdict.tone).toBe(tone)
    expect(verdict.text).toMatch(text)
  })

  test('without a store nothing else matters', () => {
    const verdict = verdictOf(healthOf(NOW, false), services, targets, missingOf(services))
    expect(verdict.tone).toBe('bad')
    expect(verdict.text).toMatch(
      /^Nothing can be stored: ClickHouse does not answer\. .* wait in \d+ sidecars/,
    )
    expect(verdict.todo).toMatch(/^Bring ClickHouse back\. Sidecars keep windows/)
  })

  test('a store that answers and takes nothing is told by what it says', () => {
    const away = healthOf(NOW, false)
    const full = { ...away, store: { ...away.store, version: '26.5.1', message: 'the disk is full' } }
    const verdict = verdictOf(full, services, targets, missingOf(services))
    expect(verdict.text).toMatch(/^Nothing can be stored: ClickHouse takes no windows\. /)
    expect(verdict.todo).toMatch(/^Mend what it says: the disk is full\. Sidecars keep windows/)
  })
})
