import { useMemo } from 'react'
import { useRegressions, useServices } from '../../api/queries'
import type { Services as ServicesAnswer } from '../../api/types'
import { fleetRates, fullName, sortServices } from '../../profile/services'
import { formatCounted } from '../../profile/units'
import { verdictsByService } from '../../profile/verdicts'
import { Failure, Loading } from '../../ui/Empty'
import { AsOf, StaleNotice } from '../../ui/Freshness'
import { useLive, useResolved } from '../../ui/live'
import { change } from '../../ui/location'
import { SearchField } from '../../ui/SearchField'
import { formatBetween } from '../../ui/time'
import type { ServicesOrder, UrlState } from '../../url'
import { NoServices, NothingMatches } from './NoServices'
import { ServiceRow } from './ServiceRow'

const ORDERS: readonly (readonly [ServicesOrder, string])[] = [
  ['cost', 'CPU cost'],
  ['trouble', 'Trouble'],
  ['name', 'Name'],
]

export function Services({ url }: { url: UrlState }) {
  const range = useResolved(url.range)
  const answer = useServices(range)
  return (
    <>
      <div className="screen-head">
        <h1>Services</h1>
        {answer.data && <Subtitle answer={answer.data} />}
        <span className="spacer" />
        <AsOf answer={answer} />
        <SearchField
          value={url.search}
          label="Filter services"
          onChange={search => change({ search }, true)}
        />
        <label className="labelled">
          Sort by
          <select
            className="field"
            value={url.sort}
            onChange={e => change({ sort: e.target.value as ServicesOrder })}
          >
            {ORDERS.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <StaleNotice answer={answer} />
      {answer.data ? (
        <Table url={url} answer={answer.data} />
      ) : answer.error ? (
        <Failure error={answer.error} onRetry={answer.retry} />
      ) : (
        <Loading what="services" />
      )}
    </>
  )
}

function Subtitle({ answer }: { answer: ServicesAnswer }) {
  const { range, services, truncated } = answer
  return (
    <span className="muted">
      {truncated && 'the first '}
      {formatCounted(services.length, 'services')},{' '}
      {formatBetween(Date.parse(range.from), Date.parse(range.to))}
    </span>
  )
}

function Table({ url, answer }: { url: UrlState; answer: ServicesAnswer }) {
  const { now } = useLive()
  const verdicts = useRegressions(now)
  const of = useMemo(() => verdictsByService(verdicts.data), [verdicts.data])
  const fleet = useMemo(() => fleetRates(answer.services), [answer])
  if (answer.services.length === 0) return <NoServices url={url} />
  const needle = url.search.trim().toLowerCase()
  const shown = sortServices(answer.services, url.sort).filter(s =>
    fullName(s).toLowerCase().includes(needle),
  )
  if (shown.length === 0) return <NothingMatches what="service" search={url.search} />
  return (
    <>
      {verdicts.error && (
        <p className="muted small">Whether new versions are worse is not known: {verdicts.error.message}.</p>
      )}
      <div className="card table-scroll">
        <table className="list compact services-list">
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col">Targets</th>
              <th scope="col">CPU, mean</th>
              <th scope="col">Allocation, mean</th>
              <th scope="col">Windows stored / expected</th>
              <th scope="col" className="number">
                Last window ended
              </th>
              <th scope="col">
                <span className="sr-only">Links</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map(service => (
              <ServiceRow
                key={fullName(service)}
                url={url}
                service={service}
                verdict={of.get(fullName(service))}
                fleet={fleet}
                until={Date.parse(answer.range.to)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
