import { describe, expect, test } from 'vitest'
import type { Loss, Service } from '../api/types'
import { alarming, lastWindowIsLate } from './services'

const end = Date.parse('2026-01-01T12:00:00Z')

function service(
  targets: Service['targets'],
  lastWindowEnd: string | null = new Date(end).toISOString(),
): Service {
  return { targets, lastWindowEnd, windowSeconds: 60 } as Service
}

describe('the last window of a service is late', () => {
  test('when more than three windows are due', () => {
    expect(lastWindowIsLate(service({ profiled: 1 }), end + 180_000)).toBe(false)
    expect(lastWindowIsLate(service({ profiled: 1 }), end + 180_001)).toBe(true)
  })
  test('unless all its targets have ended', () => {
    expect(lastWindowIsLate(service({ gone: 2 }), end + 3_600_000)).toBe(false)
    expect(lastWindowIsLate(service({ gone: 2, silent: 1 }), end + 3_600_000)).toBe(true)
  })
  test('also when its targets are not known', () => {
    expect(lastWindowIsLate(service({}), end + 3_600_000)).toBe(true)
  })
  test('unless there was none', () => {
    expect(lastWindowIsLate(service({ profiled: 1 }, null), end)).toBe(false)
  })
})

test('what is alarming of a service begins with figures that are left out', () => {
  const loss = (reason: string, routine = false) => ({ reason, routine }) as Loss
  const service = {
    notices: [loss('interval_unknown'), loss('sum_too_large')],
    losses: [loss('stack_limit'), loss('profiler_skipped', true)],
    notCaptured: [loss('no_report')],
  } as Service
  expect(alarming(service).map(({ reason }) => reason)).toEqual(['sum_too_large', 'stack_limit', 'no_report'])
})
