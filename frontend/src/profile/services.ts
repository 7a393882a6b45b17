/** What the list of services derives from an answer. */
import type { Loss, ProfileType, Service } from '../api/types'
import type { ServicesOrder } from '../url'

/** Mean value per second over the time that was recorded; undefined if none was. */
export function meanRate(service: Service, type: ProfileType): number | undefined {
  return service.types.find(t => t.type === type)?.perSecond ?? undefined
}

/** Means of all services added up, of the types that they have: what the mean of one is a share of. */
export function fleetRates(services: Service[]): Partial<Record<ProfileType, number>> {
  const sums: Partial<Record<ProfileType, number>> = {}
  for (const service of services) {
    for (const { type } of service.types) {
      sums[type] = (sums[type] ?? 0) + (meanRate(service, type) ?? 0)
    }
  }
  return sums
}

const TROUBLED_STATES = ['failed', 'silent', 'conflict'] as const

export function troubledTargets(service: Service): number {
  return TROUBLED_STATES.reduce((sum, state) => sum + (service.targets[state] ?? 0), 0)
}

/** Troubled targets first, then the share of windows that is missing. */
function trouble(service: Service): number {
  const { expected, stored } = service.windows
  const missing = expected > 0 ? Math.max(expected - stored, 0) / expected : 0
  return troubledTargets(service) + missing + (alarming(service).length > 0 ? 0.001 : 0)
}

/** What is missing and is no part of ordinary running; first that figures are, as they do not fit. */
export function alarming(service: Service): Loss[] {
  const untold = service.notices.filter(({ reason }) => reason === 'sum_too_large')
  return [...untold, ...service.losses, ...service.notCaptured].filter(loss => !loss.routine)
}

/** A service whose last window is older than this many windows is late. */
const LATE_WINDOWS = 3

/**
 * Whether a window is missing at a time (Unix ms) after the last one: of a range of the past,
 * windows after its end are not due, nor are any where all targets have ended.
 */
export function lastWindowIsLate(service: Service, at: number): boolean {
  const states = Object.keys(service.targets)
  if (service.lastWindowEnd === null || (states.length > 0 && states.every(state => state === 'gone')))
    return false
  return at - Date.parse(service.lastWindowEnd) > LATE_WINDOWS * service.windowSeconds * 1000
}

export function sortServices(services: Service[], order: ServicesOrder): Service[] {
  const byName = (a: Service, b: Service) => compareText(fullName(a), fullName(b))
  const cost = (s: Service) => meanRate(s, 'cpu') ?? -1
  const compare = {
    name: byName,
    cost: (a: Service, b: Service) => cost(b) - cost(a) || byName(a, b),
    trouble: (a: Service, b: Service) => trouble(b) - trouble(a) || cost(b) - cost(a) || byName(a, b),
  }[order]
  return services.slice().sort(compare)
}

export function fullName(service: Pick<Service, 'cluster' | 'namespace' | 'service'>): string {
  return [service.service, service.namespace, service.cluster].join('\u0000')
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
