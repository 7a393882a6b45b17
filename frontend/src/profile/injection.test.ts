import { describe, expect, test } from 'vitest'
import { injectionOf } from '../../e2e/fixture/injection'
import { countUnprofiled, injectionGroups, matchesPod } from './injection'

const injection = injectionOf(Date.parse('2026-06-15T14:30:42Z') / 1000, '')

describe('injection', () => {
  test('one group for each reason, those without a profile first', () => {
    expect(injectionGroups(injection).map(g => [g.reason.reason, g.pods.length, g.profiled])).toEqual([
      ['missed_by_webhook', 2, false],
      ['egress_denied', 1, false],
      ['image_unpullable', 1, false],
      ['sidecar_outdated', 3, true],
    ])
    expect(countUnprofiled(injection)).toBe(4)
  })

  test('pods are found by what identifies them', () => {
    const found = (text: string) => injection.pods.filter(pod => matchesPod(pod, text)).length
    expect([found(''), found('BILLING'), found('nobody')]).toEqual([7, 2, 0])
  })
})
