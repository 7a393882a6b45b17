/** The URL is the state of the UI: what is here survives a reload and travels with a shared link. */
import type { ProfileType } from './api/types'
import type { TopOrder } from './profile/top'
import { formatStep, parseStep, type Step } from './profile/transform'
import { PROFILE_TYPES } from './profile/units'

export type Screen =
  | 'services'
  | 'functions'
  | 'profile'
  | 'compare'
  | 'changes'
  | 'targets'
  | 'ingest'
  | 'unknown'
export type View = 'both' | 'flame' | 'top' | 'sandwich'
/** What the colour of a frame stands for: its kind of code, or its package. */
export type Coloring = 'kind' | 'package'
/** What the timeline draws: nothing but the fate of each window, the values, each window as a cell, or none but lists thread groups. */
export type TimelineView = 'slim' | 'line' | 'heat' | 'threads'
export type ServicesOrder = 'cost' | 'trouble' | 'name'

/** Relative to now, or between two instants (Unix seconds, `to` exclusive). */
export type TimeRange = { kind: 'last'; seconds: number } | { kind: 'between'; from: number; to: number }

/** When the other side of a comparison is: in the same range, that long before it, or between two instants. */
export type BaseRange =
  | { kind: 'same' }
  | { kind: 'before'; seconds: number }
  | Extract<TimeRange, { kind: 'between' }>

/** In place of versions, pods or thread groups of the other side: not as on this side, but all. */
export const ALL = '*'

/** What a profile is narrowed to: any of the values of each, or all where none is given. */
export const FILTERS = ['version', 'pod', 'container', 'node'] as const
export type Filter = (typeof FILTERS)[number]

/** Of samples, not of targets: only those of some thread groups, or those of all but some. */
export const THREAD_FILTERS = ['thread', 'excludeThread'] as const
export type ThreadFilter = (typeof THREAD_FILTERS)[number]

/** The other side of a comparison, "A". An empty part is as on this side, "B". */
export interface Base {
  cluster: string
  namespace: string
  service: string
  version: string[]
  pod: string[]
  thread: string[]
  series: string
  range: BaseRange
}

/** How the sides of a comparison are made comparable: per second recorded, or as shares of their totals. */
export type Scale = 'rate' | 'share'
export type CompareView = 'diff' | 'sides'

export interface UrlState {
  screen: Screen
  cluster: string
  namespace: string
  service: string
  range: TimeRange
  type: ProfileType
  series: string // one target, or empty for all
  version: string[]
  pod: string[]
  container: string[]
  node: string[] // of the cluster
  thread: string[] // groups
  excludeThread: string[]
  base: Base
  scale: Scale
  compare: CompareView
  view: View
  timeline: TimelineView
  upward: boolean // the graph grows from its root upward
  coloring: Coloring
  grey: string[] // groups of functions drawn in grey
  fold: string[] // groups of functions folded into their callers
  steps: Step[] // what is done to the tree, in this order
  order: TopOrder
  ascending: boolean // the order of the table, the other way round
  sort: ServicesOrder
  state: string // targets screen: only this state, or empty
  search: string
  fn: string // name of the selected function
  nodes: number // most nodes of the flame graph; 0 leaves it to the backend
  zoom: string[] // names from the root to the zoomed frame; in the fragment, which no server sees
  inside: number // so many names of the zoom are the path to the frame that alone is shown, in full; 0 for none
  bad: BadPart[] // parts of the address that cannot be answered as asked
}

/** A part of the address that is not valid. Another answer than the one asked for would mislead. */
export interface BadPart {
  name: string
  value: string
  remedy: string
}

export const DEFAULT_RANGE_SECONDS = 900
const MAX_RANGE_SECONDS = 31 * 86_400
const MAX_TEXT = 1024
const MAX_CHOICES = 50
const MAX_ZOOM_DEPTH = 1024
export const MAX_NODES = 262_144
/** Names of a path that the backend takes. */
export const MAX_PATH = 1000

const PATHS: Record<Screen, string> = {
  services: '/',
  functions: '/functions',
  profile: '/profile',
  compare: '/compare',
  changes: '/changes',
  targets: '/targets',
  ingest: '/ingest',
  unknown: '/',
}
const SCREENS: readonly Screen[] = [
  'services',
  'functions',
  'profile',
  'compare',
  'changes',
  'targets',
  'ingest',
]
const OF_A_SERVICE: readonly Screen[] = ['profile', 'compare', 'changes']
const SERIES = /^[0-9a-f]{16}$/
const SERIES_REMEDY = 'Use the 16 hexadecimal digits of a target'
const SCALES: readonly Scale[] = ['rate', 'share']
const COMPARE_VIEWS: readonly CompareView[] = ['diff', 'sides']
export const NO_BASE: Base = {
  cluster: '',
  namespace: '',
  service: '',
  version: [],
  pod: [],
  thread: [],
  series: '',
  range: { kind: 'same' },
}
const COUNT = /^\d{1,12}$/
const VIEWS: readonly View[] = ['both', 'flame', 'top', 'sandwich']
const TIMELINES: readonly TimelineView[] = ['slim', 'line', 'heat', 'threads']
const COLORINGS: readonly Coloring[] = ['kind', 'package']
const MAX_STEPS = 20
const FLAGS = ['', '1'] as const
const TOP_ORDERS: readonly TopOrder[] = ['self', 'total', 'name']
const SERVICE_ORDERS: readonly ServicesOrder[] = ['cost', 'trouble', 'name']

/** Reads any URL. What is missing becomes the default; so does what is not valid, and `bad` says so. */
export function parseUrl(pathname: string, search: string, hash: string): UrlState {
  const read = new Reader(new URLSearchParams(search))
  const screen = parseScreen(pathname)
  const service = read.text('service')
  const zoom = parseZoom(hash)
  if (OF_A_SERVICE.includes(screen) && service === '') {
    read.refuse('service', 'Name the service whose profile to show')
  }
  return {
    screen,
    cluster: read.text('cluster'),
    namespace: read.text('namespace'),
    service,
    range: read.range(),
    type: read.oneOf('type', PROFILE_TYPES),
    series: read.matching('series', SERIES, SERIES_REMEDY),
    version: read.texts('version'),
    pod: read.texts('pod'),
    container: read.texts('container'),
    node: read.texts('node'),
    thread: read.texts('thread'),
    excludeThread: read.texts('excludeThread'),
    base: read.base(),
    scale: read.oneOf('scale', SCALES),
    compare: read.oneOf('compare', COMPARE_VIEWS),
    view: read.oneOf('view', VIEWS),
    timeline: read.oneOf('timeline', TIMELINES),
    upward: read.oneOf('up', FLAGS) === '1',
    coloring: read.oneOf('color', COLORINGS),
    grey: read.list('grey'),
    fold: read.list('fold'),
    steps: read.steps(),
    order: read.oneOf('order', TOP_ORDERS),
    ascending: read.oneOf('asc', FLAGS) === '1',
    sort: read.oneOf('sort', SERVICE_ORDERS),
    state: read.text('state'),
    search: read.text('q'),
    fn: read.text('fn'),
    nodes: read.nodes(),
    zoom,
    inside: read.inside(zoom),
    bad: read.bad,
  }
}

/** Reads parameters and remembers those that are not valid. */
class Reader {
  readonly bad: BadPart[] = []
  private readonly params: URLSearchParams

  constructor(params: URLSearchParams) {
    this.params = params
  }

  refuse(name: string, remedy: string) {
    this.bad.push({ name, value: this.text(name), remedy })
  }

  text(name: string): string {
    return (this.params.get(name) ?? '').slice(0, MAX_TEXT)
  }

  /** A parameter that may be repeated. */
  texts(name: string): string[] {
    const values = new Set(this.params.getAll(name).filter(Boolean))
    if (values.size <= MAX_CHOICES) return [...values].map(value => value.slice(0, MAX_TEXT))
    this.refuse(name, `Choose at most ${MAX_CHOICES}, or all`)
    return []
  }

  matching(name: string, pattern: RegExp, remedy: string): string {
    const text = this.text(name)
    if (text === '' || pattern.test(text)) return text
    this.refuse(name, remedy)
    return ''
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const text = this.text(name)
    const found = values.find(value => value === text)
    if (found === undefined && text !== '') this.refuse(name, `Use one of ${values.join(', ')}`)
    return found ?? values[0]
  }

  list(name: string): string[] {
    return this.text(name).split(',').filter(Boolean)
  }

  steps(): Step[] {
    const texts = this.params.getAll('t').slice(0, MAX_STEPS)
    const steps = texts.map(text => parseStep(text.slice(0, MAX_TEXT)))
    if (steps.includes(undefined))
      this.refuse('t', 'Use focus:, hide:, remove:, recursion: or library: and a name')
    return steps.filter(step => step !== undefined)
  }

  nodes(): number {
    const text = this.matching('nodes', COUNT, `Use a number up to ${MAX_NODES}`)
    if (Number(text) <= MAX_NODES) return Number(text)
    this.refuse('nodes', `Use a number up to ${MAX_NODES}`)
    return 0
  }

  inside(zoom: string[]): number {
    const depth = Number(this.matching('inside', COUNT, `Use a number of frames up to ${MAX_PATH}`))
    return depth <= Math.min(zoom.length, MAX_PATH) ? depth : 0
  }

  range(): TimeRange {
    const byDefault: TimeRange = { kind: 'last', seconds: DEFAULT_RANGE_SECONDS }
    const span = this.text('range')
    if (this.text('from') !== '' || this.text('to') !== '') return this.between('from', 'to') ?? byDefault
    if (span === '') return byDefault
    const seconds = this.span('range')
    return seconds === undefined ? byDefault : { kind: 'last', seconds }
  }

  base(): Base {
    return {
      cluster: this.text('baseCluster'),
      namespace: this.text('baseNamespace'),
      service: this.text('baseService'),
      version: this.texts('baseVersion'),
      pod: this.texts('basePod'),
      thread: this.texts('baseThread'),
      series: this.matching('baseSeries', SERIES, SERIES_REMEDY),
      range: this.baseRange(),
    }
  }

  private baseRange(): BaseRange {
    if (this.text('baseFrom') !== '' || this.text('baseTo') !== '') {
      return this.between('baseFrom', 'baseTo') ?? NO_BASE.range
    }
    if (this.text('baseBefore') === '') return NO_BASE.range
    const seconds = this.span('baseBefore')
    return seconds === undefined ? NO_BASE.range : { kind: 'before', seconds }
  }

  private span(name: string): number | undefined {
    const seconds = parseSpan(this.text(name))
    if (seconds === undefined) {
      this.refuse(name, `Use a span such as 15m, 6h or 7d, up to ${formatSpan(MAX_RANGE_SECONDS)}`)
    }
    return seconds
  }

  private between(first: string, last: string): Extract<TimeRange, { kind: 'between' }> | undefined {
    const bad = [first, last].filter(name => !COUNT.test(this.text(name)))
    for (const name of bad) this.refuse(name, `Use Unix seconds, ${first} before ${last}`)
    if (bad.length > 0) return undefined
    const [from, to] = [Number(this.text(first)), Number(this.text(last))]
    if (from < to) return { kind: 'between', from, to }
    this.refuse(first, `It is not before ${last}=${to}; ${from > to ? 'swap them' : 'choose a later end'}`)
    return undefined
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
  put('type', state.type, PROFILE_TYPES[0])
  put('series', state.series)
  for (const name of [...FILTERS, ...THREAD_FILTERS]) {
    for (const value of state[name]) params.append(name, value)
  }
  for (const value of state.base.version) params.append('baseVersion', value)
  for (const value of state.base.pod) params.append('basePod', value)
  for (const value of state.base.thread) params.append('baseThread', value)
  putBase(state.base, put)
  put('scale', state.scale, SCALES[0])
  put('compare', state.compare, COMPARE_VIEWS[0])
  put('view', state.view, VIEWS[0])
  put('timeline', state.timeline, TIMELINES[0])
  put('up', state.upward ? '1' : '')
  put('color', state.coloring, COLORINGS[0])
  put('grey', state.grey.join(','))
  put('fold', state.fold.join(','))
  for (const step of state.steps.slice(0, MAX_STEPS)) params.append('t', formatStep(step))
  put('order', state.order, TOP_ORDERS[0])
  put('asc', state.ascending ? '1' : '')
  put('sort', state.sort, SERVICE_ORDERS[0])
  put('state', state.state)
  put('q', state.search)
  put('fn', state.fn)
  put('nodes', state.nodes, 0)
  put('inside', state.inside <= state.zoom.length ? state.inside : 0, 0)
  const query = params.toString()
  return PATHS[state.screen] + (query && `?${query}`) + formatZoom(state.zoom)
}

function putBase(base: Base, put: (name: string, value: string | number) => void) {
  put('baseCluster', base.cluster)
  put('baseNamespace', base.namespace)
  put('baseService', base.service)
  put('baseSeries', base.series)
  if (base.range.kind === 'before') put('baseBefore', formatSpan(base.range.seconds))
  if (base.range.kind === 'between') {
    put('baseFrom', base.range.from)
    put('baseTo', base.range.to)
  }
}

/** The path to the frame that alone is shown; empty where all is. */
export function pathInside({ zoom, inside }: Pick<UrlState, 'zoom' | 'inside'>): string[] {
  return zoom.slice(0, inside)
}

/** What a change makes of a state. Another zoom that does not go through the frame that alone is shown leaves it. */
export function changed(state: UrlState, part: Partial<UrlState>): UrlState {
  const next = { ...state, ...part }
  const path = pathInside(state)
  const within = path.every((name, depth) => next.zoom[depth] === name)
  return within || part.inside !== undefined ? next : { ...next, inside: 0 }
}

/** A link to another screen keeps the time range and nothing else but what is given. */
export function linkTo(current: UrlState, screen: Screen, change: Partial<UrlState> = {}): string {
  return formatUrl({ ...parseUrl(PATHS[screen], '', ''), screen, range: current.range, ...change })
}

/** What is on screen, as side B of a comparison with side A. Without a base the screen chooses the time before. */
export function compareLink(current: UrlState, base: Partial<Base> = {}): string {
  const { cluster, namespace, service, type, version, pod, series, thread, excludeThread } = current
  const selection = { cluster, namespace, service, type, version, pod, series, thread, excludeThread }
  return linkTo(current, 'compare', { ...selection, base: { ...NO_BASE, ...base } })
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

function parseScreen(pathname: string): Screen {
  return SCREENS.find(screen => PATHS[screen] === pathname) ?? 'unknown'
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
