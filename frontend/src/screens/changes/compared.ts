/** What the changes of a service are taken between. Pure. */
import type { Changes } from '../../api/types'
import { ALL, type Base, NO_BASE, type UrlState } from '../../url'

/** Whether the backend chooses the base: the version before the newest, or yesterday. */
export function isAutomatic({ base }: UrlState): boolean {
  return JSON.stringify(base) === JSON.stringify(NO_BASE)
}

/** The comparison of what the answer compared, for a link. What has no name cannot be asked for but with all. */
export function baseOf({ base, head }: Pick<Changes, 'base' | 'head'>): {
  version: string[]
  range: UrlState['range']
  base: Base
} {
  const named = (versions: string[]) => (versions.includes('') ? [] : versions)
  const [mine, its] = [named(head.versions), named(base.versions)]
  const said = its.join() === mine.join() ? [] : its.length > 0 ? its : [ALL]
  const between = (range: Changes['head']['range']) => ({
    kind: 'between' as const,
    from: Math.floor(Date.parse(range.from) / 1000),
    to: Math.ceil(Date.parse(range.to) / 1000),
  })
  return {
    version: mine,
    range: between(head.range),
    base: { ...NO_BASE, version: said, range: between(base.range) },
  }
}
