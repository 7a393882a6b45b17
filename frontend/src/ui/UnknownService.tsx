import { useServices } from '../api/queries'
import type { Service } from '../api/types'
import { linkTo, type UrlState } from '../url'
import { Empty } from './Empty'
import { Link } from './Link'
import { useResolved } from './live'
import { useUrl } from './location'

const MOST = 8

/** Nobody knows the service: the way back, and what exists instead. */
export function UnknownService({ message }: { message: string }) {
  const url = useUrl()
  const services = useServices(useResolved(url.range)).data?.services ?? []
  const near = nearest(services, url.service).slice(0, MOST)
  return (
    <Empty
      icon="search"
      title={message}
      actions={
        <Link className="button primary" href={linkTo(url, 'services')}>
          Go to the services
        </Link>
      }
    >
      {near.length > 0 ? (
        <>
          <p>In this range there are:</p>
          <ul className="known-services">
            {near.map(s => (
              <li key={`${s.cluster}/${s.namespace}/${s.service}`}>
                <Link href={linkOf(url, s)}>{s.service}</Link>{' '}
                <span className="muted small">{[s.namespace, s.cluster].filter(Boolean).join(' · ')}</span>
              </li>
            ))}
          </ul>
          {services.length > MOST && <p className="small">and {services.length - MOST} more</p>}
        </>
      ) : (
        <p>No service has data in this range. Choose a longer one, or look at the spelling in the address.</p>
      )}
      <p className="small">
        Reason code <code>unknown_service</code>
      </p>
    </Empty>
  )
}

/** The same screen, of a service that exists. */
function linkOf(url: UrlState, { cluster, namespace, service }: Service): string {
  const screen = url.screen === 'changes' || url.screen === 'compare' ? url.screen : 'profile'
  return linkTo(url, screen, { cluster, namespace, service, type: url.type })
}

/** The same name elsewhere first, then names that share a beginning with it. */
function nearest(services: Service[], name: string): Service[] {
  const shared = ({ service }: Service) => {
    let i = 0
    while (i < name.length && service[i]?.toLowerCase() === name[i].toLowerCase()) i++
    return service === name ? Number.POSITIVE_INFINITY : i
  }
  return services.toSorted((a, b) => shared(b) - shared(a))
}
