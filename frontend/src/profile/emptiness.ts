/** Why there is nothing to show. Every cause is a different answer; "no data" is none of them. */
import type { Flame, Loss, ProfileType, Target } from '../api/types'

export type Emptiness =
  | { why: 'idle'; windows: number }
  | { why: 'not_recorded'; events: string[] } // that are; empty if not known
  | { why: 'lost'; lost: number; losses: Loss[] }
  | { why: 'pending'; expected: number }
  | { why: 'not_profiled'; targets: Target[] }
  | { why: 'no_windows'; losses: Loss[]; lastEnd: number | undefined } // Unix ms of the last window of any target

/** undefined if there are samples. Targets are those of the service. */
export function emptinessOf(flame: Flame, targets: Target[], type: ProfileType): Emptiness | undefined {
  if (flame.total.count > 0 || flame.total.value > 0) return undefined
  const { windows, notCaptured } = flame.coverage
  const events = recordedEvents(targets)
  if (
    notCaptured.some(loss => loss.reason === 'not_recorded') ||
    (events.length > 0 && !events.includes(type))
  ) {
    return { why: 'not_recorded', events }
  }
  if (windows.stored > 0) return { why: 'idle', windows: windows.stored }
  const unprofiled = targets.filter(t => t.state.state !== 'profiled' && t.state.state !== 'gone')
  if (unprofiled.length > 0 && unprofiled.length === targets.filter(t => t.state.state !== 'gone').length) {
    return { why: 'not_profiled', targets: unprofiled }
  }
  if (windows.lost > 0) return { why: 'lost', lost: windows.lost, losses: notCaptured }
  if (windows.expected > 0) return { why: 'pending', expected: windows.expected }
  return { why: 'no_windows', losses: notCaptured, lastEnd: lastWindowEnd(targets) }
}

function recordedEvents(targets: Target[]): string[] {
  return [...new Set(targets.filter(t => t.state.state === 'profiled').flatMap(t => t.state.events))].sort()
}

function lastWindowEnd(targets: Target[]): number | undefined {
  const ends = targets.map(t => Date.parse(t.state.lastWindowEnd ?? '')).filter(ms => !Number.isNaN(ms))
  return ends.length === 0 ? undefined : Math.max(...ends)
}
