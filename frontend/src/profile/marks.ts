/** What happened to the service in the range: marks on its timeline. */
import type { Series, Target } from '../api/types'

export interface Mark {
  at: number // Unix ms, start of a step
  kind: 'deploy' | 'jvm' | 'sidecar'
  text: string
}

/** Targets are those of the present; the series is by version. Several events of a kind in a step are one mark. */
export function marksOf(series: Series, targets: Target[]): Mark[] {
  return [...deploys(series), ...jvmStarts(series, targets), ...sidecarRestarts(series)].sort(
    (a, b) => a.at - b.at,
  )
}

/** A version whose first window comes after those of another one. */
function deploys(series: Series): Mark[] {
  if (series.by !== 'version') return []
  const firsts = series.parts.map(part => ({ name: part.name, first: part.windows.findIndex(n => n > 0) }))
  const start = Math.min(...firsts.map(f => f.first).filter(first => first >= 0))
  return firsts
    .filter(({ first }) => first > start)
    .map(({ name, first }) => ({
      at: Date.parse(series.points[first].start),
      kind: 'deploy',
      text: `First window of version ${name || 'without a name'}`,
    }))
}

function jvmStarts(series: Series, targets: Target[]): Mark[] {
  const steps = new Map<number, string[]>()
  for (const { identity } of targets) {
    const at = stepOf(series, Date.parse(identity.jvmStart))
    if (at !== undefined) steps.set(at, [...(steps.get(at) ?? []), identity.pod || identity.node])
  }
  return [...steps].map(([at, pods]) => ({
    at,
    kind: 'jvm',
    text: pods.length === 1 ? `JVM started in ${pods[0]}` : `${pods.length} JVMs started`,
  }))
}

function sidecarRestarts(series: Series): Mark[] {
  return series.points.flatMap(point => {
    const loss = point.notCaptured.find(({ reason }) => reason === 'sidecar_restarted')
    return loss ? [{ at: Date.parse(point.start), kind: 'sidecar' as const, text: loss.text }] : []
  })
}

/** The start of the step that holds an instant; undefined out of the range. */
function stepOf(series: Series, ms: number): number | undefined {
  const step = series.stepSeconds * 1000
  const point = series.points.find(({ start }) => Date.parse(start) <= ms && ms < Date.parse(start) + step)
  return point && Date.parse(point.start)
}
