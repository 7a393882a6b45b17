import { describe, expect, test } from 'vitest'
import { flameOf, seriesOf, servicesOf } from '../../e2e/fixture/answers'
import { FIXTURES, type Fixture } from '../../e2e/fixture/scene'
import { FIXTURE_NOW } from '../../e2e/fixture/server'
import { targetsOf } from '../../e2e/fixture/targets'
import { emptinessOf } from './emptiness'
import { countByStatus, niceCeiling, rateOf } from './series'
import { meanRate, sortServices } from './services'

const hour = { from: FIXTURE_NOW - 3600, to: FIXTURE_NOW }
const fixture = (name: string): Fixture => {
  const found = FIXTURES.find(f => f.name === name)
  if (!found) throw new Error(`no fixture ${name}`)
  return found
}

describe('why a profile is empty', () => {
  const why = (name: string, type: 'cpu' | 'wall' = 'cpu') => {
    const flame = flameOf(fixture(name), type, hour, FIXTURE_NOW, 8192)
    return emptinessOf(flame, targetsOf(FIXTURE_NOW, name), type)?.why
  }
  test.each([
    ['checkout', undefined],
    ['mailer', 'idle'],
    ['payments', 'not_profiled'],
    ['inventory', 'lost'],
    ['notifications', 'pending'],
    ['legacy-batch', 'no_windows'],
  ])('%s: %s', (name, expected) => expect(why(name)).toBe(expected))
  test('a type that the targets do not record', () => expect(why('mailer', 'wall')).toBe('not_recorded'))
})

describe('timeline', () => {
  const series = seriesOf(fixture('checkout'), 'cpu', hour, FIXTURE_NOW)
  test('a gap is no value', () => {
    const lost = series.points.filter(p => p.status === 'lost')
    expect(lost).toHaveLength(countByStatus(series).lost)
    expect(lost.length).toBeGreaterThan(0)
    expect(lost.map(rateOf)).toEqual(lost.map(() => undefined))
  })
  test('round numbers for axes', () => {
    expect([0, 1.7, 0.021, 10, 999].map(v => niceCeiling(v, 10))).toEqual([0, 2, 0.025, 10, 1000])
    expect(niceCeiling(700, 2)).toBe(1024)
  })
})

describe('services', () => {
  const { services } = servicesOf(hour, FIXTURE_NOW)
  const names = (order: 'cost' | 'trouble' | 'name') => sortServices(services, order).map(s => s.service)
  test('by cost, trouble and name', () => {
    expect(names('cost').slice(0, 3)).toEqual(['search-index', 'reports', 'checkout'])
    expect(names('trouble').slice(0, 2)).toEqual(['payments', 'inventory'])
    expect(names('name')[0]).toBe('broken-proxy')
  })
  test('nothing stored is no rate, nothing used is a rate of 0', () => {
    const rate = (name: string) => meanRate(services.filter(s => s.service === name)[0], 'cpu')
    expect([rate('payments'), rate('mailer')]).toEqual([undefined, 0])
  })
})
