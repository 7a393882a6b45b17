/** What the list of targets derives from an answer. */
import type { Target } from '../api/types'

/** The state to show: a target that no longer reports is silent, whatever it said last. */
export function shownState(target: Target): string {
  return target.silent && target.state.state !== 'gone' ? 'silent' : target.state.state
}

export function countStates(targets: Target[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const target of targets) counts.set(shownState(target), (counts.get(shownState(target)) ?? 0) + 1)
  return counts
}

/** Whether the text occurs in what identifies the target. */
export function matchesTarget({ identity }: Target, text: string): boolean {
  const needle = text.trim().toLowerCase()
  if (needle === '') return true
  const { namespace, service, pod, container, node, mainClass, version } = identity
  return [namespace, service, pod, container, node, mainClass, version, String(identity.pid)].some(part =>
    part.toLowerCase().includes(needle),
  )
}

/** Whether it stands for a pod in which no JVM was seen. */
export function hasNoJVM({ identity }: Target): boolean {
  return identity.pid === 0
}

/** Where it runs, as short as it stays unambiguous: pod/container:pid, or node:pid without Kubernetes. */
export function targetName({ identity }: Target): string {
  const { pod, container, node, pid } = identity
  const place = [pod, container].filter(Boolean).join('/') || node || 'this host'
  return pid === 0 ? place : `${place}:${pid}`
}

/** Targets that are not profiled for one reason. */
export interface ReasonGroup {
  reason: NonNullable<Target['reason']>
  state: string
  targets: Target[]
}

/** Equal reasons as one, those of most targets first; a reason of a single target needs no group. */
export function reasonGroups(targets: Target[]): ReasonGroup[] {
  const groups = new Map<string, ReasonGroup>()
  for (const target of targets) {
    if (!target.reason) continue
    const state = shownState(target)
    const key = `${state} ${target.reason.reason}`
    const group = groups.get(key)
    if (group) group.targets.push(target)
    else groups.set(key, { reason: target.reason, state, targets: [target] })
  }
  return [...groups.values()]
    .filter(group => group.targets.length > 1)
    .sort((a, b) => b.targets.length - a.targets.length)
}

/** A step of a target's life, from the JVM's start to its last window; `at` is Unix ms, undefined if not reached. */
export interface Step {
  name: string
  at: number | undefined
}

/** What the report of a sidecar says of a target's life. */
export function lifeOf(target: Target): Step[] {
  const { identity, state } = target
  const profiled = state.session !== ''
  return [
    { name: 'JVM started', at: hasNoJVM(target) ? undefined : Date.parse(identity.jvmStart) },
    { name: profiled ? 'profiled' : state.state, at: Date.parse(state.since) },
    { name: 'last window', at: state.lastWindowEnd === null ? undefined : Date.parse(state.lastWindowEnd) },
  ]
}
