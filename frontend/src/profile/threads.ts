/** What the list of thread groups derives from an answer. */
import type { Series } from '../api/types'
import type { ThreadFilter, UrlState } from '../url'

/** Samples of sidecars that do not tell threads. */
export const UNKNOWN = '(unknown)'
/** Samples of groups that were not told apart; the reason code is thread_limit. */
export const OTHER = '(other)'

export interface ThreadGroup {
  name: string
  amount: number
}

export interface ThreadList {
  groups: ThreadGroup[] // heaviest first
  total: number // of all threads
  unit: string
  more: number // groups that are not listed
  rest: number // what they amount to
  told: boolean // of any sample a group is known
}

/** Of a series by thread. Where no sample has a value, amounts are counts. */
export function threadList({ parts, points, otherParts, unit, countUnit }: Series): ThreadList {
  const sumOf = (of: 'value' | 'count') => points.reduce((sum, point) => sum + point[of], 0)
  const by = sumOf('value') > 0 ? 'value' : 'count'
  const groups = parts.map(part => ({ name: part.name, amount: part.total[by] }))
  const total = sumOf(by)
  return {
    groups,
    total,
    unit: by === 'value' ? unit : countUnit,
    more: otherParts,
    rest: Math.max(total - groups.reduce((sum, group) => sum + group.amount, 0), 0),
    told: groups.some(group => group.name !== UNKNOWN),
  }
}

const OPPOSITE: Record<ThreadFilter, ThreadFilter> = { thread: 'excludeThread', excludeThread: 'thread' }

type Threads = Pick<UrlState, ThreadFilter>

/** Groups chosen for one filter leave the other: wanted and left out at once would show nothing. */
export function chosen(url: Threads, filter: ThreadFilter, names: string[]): Threads {
  const other = OPPOSITE[filter]
  const { thread, excludeThread } = url
  return { thread, excludeThread, [filter]: names, [other]: url[other].filter(name => !names.includes(name)) }
}

/** A group chosen or let go. */
export function toggled(url: Threads, filter: ThreadFilter, name: string): Threads {
  const now = url[filter]
  return chosen(url, filter, now.includes(name) ? now.filter(other => other !== name) : [...now, name])
}

export function someThreads(url: Threads): boolean {
  return url.thread.length + url.excludeThread.length > 0
}
