import type { ProfileType } from '../api/types'
import { PROFILE_TYPES, TYPE_LABELS } from '../profile/units'
import { formatUrl, type UrlState } from '../url'
import { Icon } from './Icon'
import { Link } from './Link'
import { Popover } from './Popover'

/** The others are recorded where somebody asks for them, and stand behind a button. */
const USUAL: readonly ProfileType[] = ['cpu', 'alloc', 'lock', 'wall']

/** The same view of another type of profile. */
export function TypeChoice({ url, className = 'segments' }: { url: UrlState; className?: string }) {
  const shown = PROFILE_TYPES.filter(type => USUAL.includes(type) || type === url.type)
  const more = PROFILE_TYPES.filter(type => !shown.includes(type))
  return (
    <div className="type-choice">
      <nav className={className} aria-label="Profile type">
        {shown.map(type => (
          <TypeLink key={type} url={url} type={type} />
        ))}
      </nav>
      <Popover
        className="more-types"
        label="More types of profile"
        summary={
          <>
            More <Icon name="down" />
          </>
        }
      >
        {close => (
          <nav aria-label="More types of profile" onClickCapture={close}>
            {more.map(type => (
              <TypeLink key={type} url={url} type={type} />
            ))}
          </nav>
        )}
      </Popover>
    </div>
  )
}

function TypeLink({ url, type }: { url: UrlState; type: ProfileType }) {
  return (
    <Link
      href={formatUrl({ ...url, type, zoom: [], fn: '' })}
      aria-current={type === url.type ? 'page' : undefined}
    >
      {TYPE_LABELS[type].tab}
    </Link>
  )
}
