/** What the list of services derives from an answer. */
import type { ProfileType, Service } from '../api/types'
import type { ServicesOrder } from '../url'

/** Mean value per second over the slices for which there are windows; undefined if there are none. */
export function meanRate(service: Service, type: ProfileType): number | undefined {
  const known = (service.types.find(t => t.type === type)?.spark ?? []).filter(v => v !== null)
  return known.length === 0 ? undefined : known.reduce((sum, v) => sum + v, 0) / known.length
}

const TROUBLED_STATES = ['failed', 'silent', 'conflict'] as const

export function troubledTargets(service: Service): number {
  return TROUBLED_STATES.reduce((sum, state) => sum + (service.targets[state] ?? 0), 0)
}

/** Troubled targets first, then the share of windows that is missing. */
function trouble(service: Service): number {
  const { expected, stored } = service.windows
  const missing = expected > 0 ? Math.max(expected - stored, 0) / expected : 0
  return troubledTargets(service) + missing + (service.losses.some(loss => !loss.routine) ? 0.001 : 0)
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
