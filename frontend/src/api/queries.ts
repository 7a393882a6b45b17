/** What the screens ask for. A key holds everything that the answer depends on. */
import { useQuery } from '@tanstack/react-query'
import { type Answer, useAnswer } from './answer'
import { getFile, getJSON, type Params } from './client'
import type {
  Changes,
  Diff,
  Flame,
  FleetTop,
  Heatmap,
  IngestHealth,
  IngestHistory,
  IngestStorage,
  Injection,
  ProfileType,
  Regressions,
  Series,
  Services,
  Targets,
  Top,
} from './types'

const HEALTH_INTERVAL_MS = 10_000
const TOP_LIMIT = 10_000

export interface Scope {
  cluster: string
  namespace: string
  service: string
  type: ProfileType
  version: string[]
  pod: string[]
  container: string[]
  node: string[]
  thread: string[]
  excludeThread: string[]
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

/** What the webhook's audit tells of pods that asked for a profile. */
export function useInjection(now: number, filter: Pick<Scope, 'namespace' | 'service'>): Answer<Injection> {
  const params = { namespace: filter.namespace, service: filter.service }
  return useAnswer({
    key: ['injection', params, now],
    scope: JSON.stringify(params),
    ask: signal => getJSON<Injection>('/api/v1/injection', params, signal),
  })
}

export function useSeries(scope: Scope, range: Between): Answer<Series> {
  const some = scope.thread.length + scope.excludeThread.length > 0 // which are not told apart by version
  return useScoped<Series>('/api/v1/series', scope, { ...range, by: some ? undefined : 'version' })
}

const MOST_THREADS = 50

/** The heaviest thread groups of a range and their sums, whichever of them are chosen. */
export function useThreads(scope: Scope, range: Between, enabled: boolean): Answer<Series> {
  const params = { ...range, by: 'thread', points: 1, parts: MOST_THREADS }
  return useScoped<Series>('/api/v1/series', ofAllThreads(scope), params, enabled)
}

function ofAllThreads(scope: Scope): Scope {
  return { ...scope, thread: [], excludeThread: [] }
}

/** How much of the call tree is asked for: at most so many nodes, all of them below a path unless that is empty. */
export interface Part {
  nodes: number
  path: string[]
}

const partParams = ({ nodes, path }: Part) => ({ nodes: nodes || undefined, path: given(path) })

export function useFlame(scope: Scope, range: Between, part: Part): Answer<Flame> {
  return useScoped<Flame>('/api/v1/flame', scope, { ...range, ...partParams(part) })
}

/** Upside down below the function (callers), or all its calls merged (callees); asked only where one is named. */
export function useAround(
  scope: Scope,
  range: Between,
  side: 'callers' | 'callees',
  fn: string,
  nodes: number,
  enabled: boolean,
): Answer<Flame> {
  const params = { ...range, function: fn, nodes: nodes || undefined }
  return useScoped<Flame>(`/api/v1/${side}`, scope, params, enabled && fn !== '')
}

/** Always of all threads: the sums of windows do not tell them apart. */
export function useHeatmap(scope: Scope, range: Between, enabled: boolean): Answer<Heatmap> {
  return useScoped<Heatmap>('/api/v1/heatmap', ofAllThreads(scope), { ...range }, enabled)
}

/** `base` holds the parameters of the other side. */
export function useDiff(scope: Scope, range: Between, base: Params, part: Part): Answer<Diff> {
  return useScoped<Diff>('/api/v1/diff', scope, { ...range, ...base, ...partParams(part) })
}

/** Without a base the backend chooses: the version before the newest, or the same time yesterday. */
export function useChanges(scope: Scope, range: Between, base: Params, limit: number): Answer<Changes> {
  return useScoped<Changes>('/api/v1/changes', scope, { ...range, ...base, limit })
}

/** Asked only where the flame graph is pruned: else its own sums are as exact. */
export function useTop(
  scope: Scope,
  range: Between,
  order: 'self' | 'total',
  path: string[],
  enabled: boolean,
): Answer<Top> {
  const params = { ...range, order, limit: TOP_LIMIT, path: given(path) }
  return useScoped<Top>('/api/v1/top', scope, params, enabled)
}

/** The verdicts of the backend on new versions, as of now. */
export function useRegressions(now: number): Answer<Regressions> {
  return useAnswer({
    key: ['regressions', now],
    scope: '',
    ask: signal => getJSON<Regressions>('/api/v1/regressions', {}, signal),
  })
}

/** Functions over all services, or over those of a cluster or namespace. */
export function useFleetTop(
  { cluster, namespace, type }: Pick<Scope, 'cluster' | 'namespace' | 'type'>,
  range: Between,
  order: 'self' | 'total',
  limit: number,
): Answer<FleetTop> {
  const of = { cluster: cluster || undefined, namespace: namespace || undefined, type, order, limit }
  return useAnswer({
    key: ['fleet', of, range.from, range.to],
    scope: JSON.stringify(of),
    ask: signal => getJSON<FleetTop>('/api/v1/fleet/top', { ...of, ...range }, signal),
  })
}

export type ExportFormat = 'pprof' | 'collapsed' | 'speedscope'

/** All that the range and the filters hold, as a file of another tool. */
export function exportFile(scope: Scope, range: Between, format: ExportFormat): Promise<Blob> {
  return getFile('/api/v1/export', { ...onlyScope(scope), ...range, format })
}

/** Callers may hand in more than a scope, such as the whole state of the URL; only the scope is asked for. */
function onlyScope(scope: Scope): Params {
  const { cluster, namespace, service, type, series } = scope
  const [version, pod] = [given(scope.version), given(scope.pod)]
  const [container, node] = [given(scope.container), given(scope.node)]
  const [thread, excludeThread] = [given(scope.thread), given(scope.excludeThread)]
  return { cluster, namespace, service, type, version, pod, container, node, series, thread, excludeThread }
}

function given(values: string[]): string[] | undefined {
  return values.length > 0 ? values : undefined
}

function useScoped<T>(path: string, of: Scope, params: Params, enabled = true): Answer<T> {
  const scope = onlyScope(of)
  return useAnswer({
    key: [path, scope, params],
    scope: JSON.stringify(scope),
    ask: signal => getJSON<T>(path, { ...scope, ...params }, signal),
    enabled,
  })
}

/** Answered to readers of every namespace; others are refused as forbidden. */
export function useIngestHistory(range: Between, points: number): Answer<IngestHistory> {
  return useAnswer({
    key: ['history', range.from, range.to, points],
    scope: '',
    ask: signal => getJSON<IngestHistory>('/api/v1/ingest/history', { ...range, points }, signal),
  })
}

/** Answered to readers of every namespace, too. */
export function useIngestStorage(): Answer<IngestStorage> {
  return useAnswer({
    key: ['storage'],
    scope: '',
    ask: signal => getJSON<IngestStorage>('/api/v1/ingest/storage', {}, signal),
  })
}

/** How long data is kept, in seconds: longer ranges are refused. */
export function useKept(): number {
  return useHealth().data?.store.keptSeconds ?? LONGEST_KEPT_SECONDS
}

/** The backend keeps nothing for longer. */
const LONGEST_KEPT_SECONDS = 7 * 86_400

export function useHealth() {
  return useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => getJSON<IngestHealth>('/api/v1/ingest/health', {}, signal),
    refetchInterval: HEALTH_INTERVAL_MS,
    retry: false,
  })
}
