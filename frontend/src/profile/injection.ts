/** What the list of pods without a profile derives from an answer. */
import type { Injection, InjectionPod } from '../api/types'

/** Pods of which the same is told. */
export interface InjectionGroup {
  reason: InjectionPod['reason']
  pods: InjectionPod[]
  profiled: boolean // nevertheless
}

const OUTDATED = 'sidecar_outdated'

/** Equal reasons as one: those without a profile first, then those of most pods. */
export function injectionGroups({ pods }: Injection): InjectionGroup[] {
  const groups = new Map<string, InjectionGroup>()
  for (const pod of pods) {
    const code = pod.reason.reason
    const group = groups.get(code)
    if (group) group.pods.push(pod)
    else groups.set(code, { reason: pod.reason, pods: [pod], profiled: code === OUTDATED })
  }
  return [...groups.values()].sort(
    (a, b) => Number(a.profiled) - Number(b.profiled) || b.pods.length - a.pods.length,
  )
}

/** Pods that asked for a profile and have none. */
export function countUnprofiled(injection: Injection): number {
  return injection.pods.length - countOutdated(injection)
}

/** Pods that are profiled by an earlier sidecar than their restart would bring. */
export function countOutdated({ pods }: Injection): number {
  return pods.filter(pod => pod.reason.reason === OUTDATED).length
}

/** Whether the text occurs in what identifies the pod. */
export function matchesPod(pod: InjectionPod, text: string): boolean {
  const needle = text.trim().toLowerCase()
  return [pod.namespace, pod.service, pod.pod, pod.ownerName].some(part =>
    part.toLowerCase().includes(needle),
  )
}
