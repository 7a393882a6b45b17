/** The two sides of the comparison that the URL asks for. Pure. */
import type { Params } from '../../api/client'
import type { Between } from '../../api/queries'
import { ALL, type Base, NO_BASE, resolveRange, type UrlState } from '../../url'

/** What one side is of; no version, pod or thread group is all of them. */
export interface Selection {
  cluster: string
  namespace: string
  service: string
  version: string[]
  pod: string[]
  thread: string[]
  series: string
  range: Between
}

/** Side A is the base, side B what it is compared to. */
export interface Sides {
  base: Selection
  head: Selection
  given: Base // how the base is said: in the URL, or, if it says nothing, the time before
  same: boolean // both are one selection
}

export function sidesOf(url: UrlState, now: number): Sides {
  const { cluster, namespace, service, version, pod, thread, series } = url
  const head = {
    cluster,
    namespace,
    service,
    version,
    pod,
    thread,
    series,
    range: resolveRange(url.range, now),
  }
  const given = givenBase(url.base, head.range)
  const base = resolveBase(given, head)
  return { base, head, given, same: JSON.stringify(base) === JSON.stringify(head) }
}

function givenBase(base: Base, { from, to }: Between): Base {
  if (JSON.stringify(base) !== JSON.stringify(NO_BASE)) return base
  return { ...NO_BASE, range: { kind: 'before', seconds: to - from } }
}

/** A version and a pod of B mean nothing on a side of another service, nor its pod on one of another version. */
function resolveBase(base: Base, head: Selection): Selection {
  const other = base.service !== ''
  const choose = (values: string[], inherited: string[]) =>
    values.includes(ALL) ? [] : values.length > 0 ? values : inherited
  const pods = other || base.version.length > 0
  return {
    cluster: other ? base.cluster : head.cluster,
    namespace: other ? base.namespace : head.namespace,
    service: other ? base.service : head.service,
    version: choose(base.version, other ? [] : head.version),
    pod: choose(base.pod, pods ? [] : head.pod),
    thread: choose(base.thread, head.thread),
    series: base.series || (pods || base.pod.length > 0 ? '' : head.series),
    range: baseRange(base, head.range),
  }
}

function baseRange({ range }: Base, head: Between): Between {
  if (range.kind === 'between') return { from: range.from, to: range.to }
  const before = range.kind === 'before' ? range.seconds : 0
  return { from: head.from - before, to: head.to - before }
}

/** The parameters of the base in a request: its range, and where it differs from B. */
export function baseParams({ base, head }: Sides): Params {
  const other = !sameService(base, head)
  const list = (values: string[], its: string[]) => (equal(values, its) ? undefined : values)
  return {
    baseFrom: base.range.from,
    baseTo: base.range.to,
    baseCluster: other ? [base.cluster] : undefined,
    baseNamespace: other ? [base.namespace] : undefined,
    baseService: other ? base.service : undefined,
    baseVersion: list(base.version, head.version),
    basePod: list(base.pod, head.pod),
    baseThread: list(base.thread, head.thread),
    baseSeries: base.series === head.series ? undefined : base.series || undefined,
  }
}

function equal(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every(value => b.includes(value))
}

/** Whether both sides are of the same thread groups. */
export function sameThreads({ base, head }: Sides): boolean {
  return equal(base.thread, head.thread)
}

export type ServiceKey = Pick<Selection, 'cluster' | 'namespace' | 'service'>

export function sameService(a: ServiceKey, b: ServiceKey): boolean {
  return a.service === b.service && a.namespace === b.namespace && a.cluster === b.cluster
}

/** A as B and B as A, with the ranges as they are now. */
export function swapped({ base, head }: Sides): Partial<UrlState> {
  const { range, ...selection } = base
  return { ...selection, range: { kind: 'between', ...range }, base: sayBase(head, base), zoom: [] }
}

/** A selection as the base of another. */
function sayBase(base: Selection, head: Selection): Base {
  const other = !sameService(base, head)
  const say = (values: string[], inherited: string[]) =>
    equal(values, inherited) ? [] : values.length > 0 ? values : [ALL]
  return {
    cluster: other ? base.cluster : '',
    namespace: other ? base.namespace : '',
    service: other ? base.service : '',
    version: say(base.version, other ? [] : head.version),
    thread: say(base.thread, head.thread),
    pod: say(base.pod, other || !equal(base.version, head.version) ? [] : head.pod),
    series: base.series,
    range: { kind: 'between', ...base.range },
  }
}

/** A range that shows both sides with some room around them, and nothing that is still to come. */
export function around(a: Between, b: Between, now: number): Between {
  const from = Math.min(a.from, b.from)
  const to = Math.max(a.to, b.to)
  const room = Math.ceil((to - from) / 6)
  return { from: Math.max(from - room, 0), to: Math.max(Math.min(to + room, now), to) }
}
