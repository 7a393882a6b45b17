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

/** Where it runs, as short as it stays unambiguous: pod/container:pid, or node:pid without Kubernetes. */
export function targetName({ identity }: Target): string {
  const { pod, container, node, pid } = identity
  const place = [pod, container].filter(Boolean).join('/') || node || 'this host'
  return `${place}:${pid}`
}
