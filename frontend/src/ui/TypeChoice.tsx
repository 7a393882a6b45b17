import { PROFILE_TYPES, TYPE_LABELS } from '../profile/units'
import { formatUrl, type UrlState } from '../url'
import { Link } from './Link'

/** The same view of another type of profile. */
export function TypeChoice({ url, className = 'segments scroll-x' }: { url: UrlState; className?: string }) {
  return (
    <nav className={className} aria-label="Profile type">
      {PROFILE_TYPES.map(type => (
        <Link
          key={type}
          href={formatUrl({ ...url, type, zoom: [], fn: '' })}
          aria-current={type === url.type ? 'page' : undefined}
        >
          {TYPE_LABELS[type].tab}
        </Link>
      ))}
    </nav>
  )
}
