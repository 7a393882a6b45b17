/** What the backend says of the newest version of a service. Pure. */
import type { Regression, Regressions } from '../api/types'
import { fullName } from './services'
import { formatPercent } from './units'

export function verdictsByService(answer: Regressions | undefined): Map<string, Regression> {
  return new Map(answer?.regressions.map(r => [fullName(r), r]))
}

/** "+12.3 %": what the same work takes more, or less. */
export function growthShare({ growth }: Regression): string {
  return `${growth < 0 ? '−' : '+'}${formatPercent(Math.abs(growth), 1)}`
}

export function growthText(r: Regression): string {
  return `${growthShare(r)} CPU`
}

/** In few words, for a list. */
export function shortVerdict(r: Regression): string {
  const before = versionName(r.before)
  switch (r.verdict) {
    case 'worse':
      return `worse than ${before}, ${growthText(r)}`
    case 'better':
      return `better than ${before}, ${growthText(r)}`
    case 'same':
      return `same as ${before}`
    default:
      return `not enough data against ${before}`
  }
}

/** In a sentence. */
export function longVerdict(r: Regression): string {
  const [version, before] = [`Version ${versionName(r.version)}`, versionName(r.before)]
  const by = formatPercent(Math.abs(r.growth), 1)
  switch (r.verdict) {
    case 'worse':
      return `${version} is worse than ${before}: the same work takes ${by} more CPU time.`
    case 'better':
      return `${version} is better than ${before}: the same work takes ${by} less CPU time.`
    case 'same':
      return `${version} is the same as ${before}: the same work takes about as much CPU time.`
    default:
      return `There is not enough data yet to judge version ${versionName(r.version)} against ${before}.`
  }
}

export function versionName(version: string): string {
  return version || '(unnamed)'
}
