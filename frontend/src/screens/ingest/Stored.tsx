import type { IngestStorage } from '../../api/types'
import { formatBytes, formatCount, formatPercent } from '../../profile/units'
import { Link } from '../../ui/Link'
import { linkTo, type UrlState } from '../../url'

const MOST_SERVICES = 10

/** What the largest services take on disk, day by day. */
export function Stored({ url, storage }: { url: UrlState; storage: IngestStorage }) {
  const { days, services } = storage
  const whole = days.reduce((sum, day) => sum + day.bytes, 0)
  if (services.length === 0) return null
  const others = services.length - MOST_SERVICES
  return (
    <section className="card ingest-card" aria-labelledby="stored">
      <h2 id="stored">Disk by service and day</h2>
      <div className="table-scroll">
        <table className="list compact stored-list">
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col" className="number">
                All days
              </th>
              {days.map(({ day }) => (
                <th scope="col" className="number" key={day}>
                  {day}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {services.slice(0, MOST_SERVICES).map(({ cluster, namespace, service, bytes, days: byDay }) => (
              <tr key={`${cluster}/${namespace}/${service}`}>
                <th scope="row">
                  <Link href={linkTo(url, 'profile', { cluster, namespace, service })}>{service}</Link>
                  <div className="muted small">{namespace}</div>
                </th>
                <td data-label="All days" className="number of-all">
                  {formatBytes(bytes)} <span className="muted small">{formatPercent(bytes, whole)}</span>
                </td>
                {days.map(({ day }, i) => (
                  <td data-label={day} data-short={day.slice(5)} className="number of-day" key={day}>
                    {formatBytes(byDay[i] ?? 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="muted small">
        {others > 0 &&
          (storage.truncated
            ? `And more than ${formatCount(others)} smaller services. `
            : `And ${formatCount(others)} smaller services. `)}
        Services share tables: the bytes of a day are shared out by samples.
      </p>
    </section>
  )
}
