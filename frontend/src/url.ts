/** The URL is the state of the UI: what is here survives a reload and travels with a shared link. */
import type { ProfileType } from './api/types'
import type { TopOrder } from './profile/top'

export type Screen = 'services' | 'profile' | 'targets' | 'unknown'
export type View = 'both' | 'flame' | 'top'
export type ServicesOrder = 'cost' | 'trouble' | 'name'

/** Relative to now, or between two instants (Unix seconds, `to` exclusive). */
export type TimeRange = { kind: 'last'; seconds: number } | { kind: 'between'; from: number; to: number }

export interface UrlState {
  screen: Screen
  cluster: string
  namespace: string
  service: string
  range: TimeRange
  type: ProfileType
  series: string // one target, or empty for all
  version: string
  view: View
  order: TopOrder
  sort: ServicesOrder
  state: string // targets screen: only this state, or empty
  search: string
  fn: string // name of the selected function
  nodes: number // most nodes of the flame graph; 0 leaves it to the backend
  zoom: string[] // names from the root to the zoomed frame; in the fragment, which no server sees
}

export const DEFAULT_RANGE_SECONDS = 900
const MAX_RANGE_SECONDS = 31 * 86_400
const MAX_TEXT = 1024
const MAX_ZOOM_DEPTH = 1024
export const MAX_NODES = 262_144

const PATHS: Record<Screen, string> = {
  services: '/',
  profile: '/profile',
  targets: '/targets',
  unknown: '/',
}
const TYPES: readonly ProfileType[] = ['cpu', 'alloc', 'lock', 'wall']
const VIEWS: readonly View[] = ['both', 'flame', 'top']
const TOP_ORDERS: readonly TopOrder[] = ['self', 'total', 'name']
const SERVICE_ORDERS: readonly ServicesOrder[] = ['cost', 'trouble', 'name']

/** Reads any URL; what is missing or not valid becomes the default. */
export function parseUrl(pathname: string, search: string, hash: string): UrlState {
  const params = new URLSearchParams(search)
  const text = (name: string) => (params.get(name) ?? '').slice(0, MAX_TEXT)
  return {
    screen: parseScreen(pathname, text('service')),
    cluster: text('cluster'),
    namespace: text('namespace'),
    service: text('service'),
    range: parseRange(text('range'), text('from'), text('to')),
    type: oneOf(TYPES, text('type')),
    series: /^[0-9a-f]{16}$/.test(text('series')) ? text('series') : '',
    version: text('version'),
    view: oneOf(VIEWS, text('view')),
    order: oneOf(TOP_ORDERS, text('order')),
    sort: oneOf(SERVICE_ORDERS, text('sort')),
    state: text('state'),
    search: text('q'),
    fn: text('fn'),
    nodes: Math.min(parseCount(text('nodes')), MAX_NODES),
    zoom: parseZoom(hash),
  }
}

export function formatUrl(state: UrlState): string {
  const params = new URLSearchParams()
  const put = (name: string, value: string | number, byDefault: string | number = '') => {
    if (value !== byDefault) params.set(name, String(value))
  }
  put('cluster', state.cluster)
  put('namespace', state.namespace)
  put('service', state.service)
  if (state.range.kind === 'between') {
    put('from', state.range.from)
    put('to', state.range.to)
  } else {
    put('range', formatSpan(state.range.seconds), formatSpan(DEFAULT_RANGE_SECONDS))
  }
  put('type', state.type, TYPES[0])
  put('series', state.series)
  put('version', state.version)
  put('view', state.view, VIEWS[0])
  put('order', state.order, TOP_ORDERS[0])
  put('sort', state.sort, SERVICE_ORDERS[0])
  put('state', state.state)
  put('q', state.search)
  put('fn', state.fn)
  put('nodes', state.nodes, 0)
  const query = params.toString()
  return PATHS[state.screen] + (query && `?${query}`) + formatZoom(state.zoom)
}

/** A link to another screen keeps the time range and nothing else but what is given. */
export function linkTo(current: UrlState, screen: Screen, change: Partial<UrlState> = {}): string {
  return formatUrl({ ...parseUrl(PATHS[screen], '', ''), screen, range: current.range, ...change })
}

/** Unix seconds; relative ranges end at now. */
export function resolveRange(range: TimeRange, now: number): { from: number; to: number } {
  if (range.kind === 'between') return { from: range.from, to: range.to }
  return { from: now - range.seconds, to: now }
}

/** 900 → 15m: the largest unit that leaves no rest. */
export function formatSpan(seconds: number): string {
  for (const [unit, length] of SPANS) if (seconds % length === 0) return seconds / length + unit
  return `${seconds}s`
}

export function parseSpan(text: string): number | undefined {
  const match = /^(\d{1,7})([smhd])$/.exec(text.trim())
  const length = SPANS.find(([unit]) => unit === match?.[2])?.[1]
  if (match === null || length === undefined) return undefined
  const seconds = Number(match[1]) * length
  return seconds > 0 && seconds <= MAX_RANGE_SECONDS ? seconds : undefined
}

const SPANS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
]

function parseScreen(pathname: string, service: string): Screen {
  if (pathname === PATHS.services) return 'services'
  if (pathname === PATHS.targets) return 'targets'
  return pathname === PATHS.profile && service !== '' ? 'profile' : 'unknown'
}

function parseRange(span: string, from: string, to: string): TimeRange {
  const start = parseCount(from)
  const end = parseCount(to)
  if (end > start) return { kind: 'between', from: start, to: end }
  return { kind: 'last', seconds: parseSpan(span) ?? DEFAULT_RANGE_SECONDS }
}

function parseCount(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) : 0
}

function oneOf<T extends string>(values: readonly T[], text: string): T {
  return values.find(value => value === text) ?? values[0]
}

const ZOOM_PREFIX = '#zoom='

function formatZoom(names: string[]): string {
  return names.length === 0 ? '' : ZOOM_PREFIX + names.map(encodeURIComponent).join(';')
}

function parseZoom(hash: string): string[] {
  if (!hash.startsWith(ZOOM_PREFIX)) return []
  try {
    return hash.slice(ZOOM_PREFIX.length).split(';', MAX_ZOOM_DEPTH).map(decodeURIComponent)
  } catch {
    return [] // a broken escape sequence
  }
}
