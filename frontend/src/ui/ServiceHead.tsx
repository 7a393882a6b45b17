import type { ReactNode } from 'react'
import { linkTo, type UrlState } from '../url'
import { Link } from './Link'
import { ServiceNav } from './ServiceNav'
import { TypeChoice } from './TypeChoice'

/** The head of a screen about a service beside its profile: the way back to both, and the types of profile. */
export function ServiceHead({ url, title, children }: { url: UrlState; title: string; children: ReactNode }) {
  const { cluster, namespace, service, type, thread, excludeThread } = url
  return (
    <div className="screen-head">
      <div>
        <nav className="muted small" aria-label="Breadcrumb">
          <Link href={linkTo(url, 'services')}>Services</Link>
          {' / '}
          <Link href={linkTo(url, 'profile', { cluster, namespace, service, type, thread, excludeThread })}>
            {service}
          </Link>
        </nav>
        <h1>{title}</h1>
      </div>
      <TypeChoice url={url} />
      <ServiceNav url={url} />
      {children}
    </div>
  )
}
