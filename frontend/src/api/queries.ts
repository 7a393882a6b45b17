/** What the screens ask for. A key holds everything that the answer depends on. */
import { useQuery } from '@tanstack/react-query'
import { type Answer, useAnswer } from './answer'
import { getJSON, type Params } from './client'
import type { Flame, IngestHealth, ProfileType, Series, Services, Targets, Top } from './types'

const HEALTH_INTERVAL_MS = 10_000
const TOP_LIMIT = 10_000

export interface Scope {
  cluster: string
  namespace: string
  service: string
  type: ProfileType
  version: string
  series: string
}

export interface Between {
  from: number
  to: number
}

export function useServices(range: Between): Answer<Services> {
  return useAnswer({
    key: ['services', range.from, range.to],
    scope: '',
    ask: signal => getJSON<Services>('/api/v1/services', { ...range }, signal),
  })
}

/** The states of targets are those of the present, so `now` is part of the key only to refresh them. */
export function useTargets(
  now: number,
  filter: Pick<Scope, 'cluster' | 'namespace' | 'service'>,
): Answer<Targets> {
  const params = { cluster: filter.cluster, namespace: filter.namespace, service: filter.service }
  return useAnswer({
    key: ['targets', params, now],
    scope: JSON.stringify(params),
    ask: signal => getJSON<Targets>('/api/v1/targets', params, signal),
  })
}

export function useSeries(scope: Scope, range: Between): Answer<Series> {
  return useScoped<Series>('/api/v1/series', scope, { ...range })
}

export function useFlame(scope: Scope, range: Between, nodes: number): Answer<Flame> {
  return useScoped<Flame>('/api/v1/flame', scope, { ...range, nodes: nodes || undefined })
}

/** Asked only where the flame graph is pruned: else its own sums are as exact. */
export function useTop(scope: Scope, range: Between, order: 'self' | 'total', enabled: boolean): Answer<Top> {
  return useScoped<Top>('/api/v1/top', scope, { ...range, order, limit: TOP_LIMIT }, enabled)
}

/** Callers may hand in more than a scope, such as the whole state of the URL; only the scope is asked for. */
function useScoped<T>(path: string, given: Scope, params: Params, enabled = true): Answer<T> {
  const { cluster, namespace, service, type, version, series } = given
  const scope = { cluster, namespace, service, type, version, series }
  return useAnswer({
    key: [path, scope, params],
    scope: JSON.stringify(scope),
    ask: signal => getJSON<T>(path, { ...scope, ...params }, signal),
    enabled,
  })
}

export function useHealth() {
  return useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => getJSON<IngestHealth>('/api/v1/ingest/health', {}, signal),
    refetchInterval: HEALTH_INTERVAL_MS,
    retry: false,
  })
}
