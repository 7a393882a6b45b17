import type { UseQueryResult } from '@tanstack/react-query'
import { useHealth } from '../api/queries'
import type { IngestHealth, Loss } from '../api/types'
import { formatBytes, formatCount, significant } from '../profile/units'
import { Icon, type IconName } from './Icon'
import { Popover } from './Popover'
import { formatAge, formatInstant } from './time'

interface Verdict {
  icon: IconName
  tone: 'ok' | 'warn' | 'bad' | 'muted'
  text: string
}

/** How much of the in-flight limit may be used before the indicator warns. */
const BUSY = 0.8

function verdictOf({ data, error }: UseQueryResult<IngestHealth>): Verdict {
  if (error) return { icon: 'bad', tone: 'bad', text: 'Backend unreachable' }
  if (!data) return { icon: 'wait', tone: 'muted', text: 'Checking' }
  if (!data.store.available) return { icon: 'bad', tone: 'bad', text: 'Store unavailable' }
  if (data.bytesInFlight > BUSY * data.bytesInFlightLimit)
    return { icon: 'warn', tone: 'warn', text: 'Ingest busy' }
  if (data.losses.length > 0) return { icon: 'warn', tone: 'warn', text: 'Losses in the last hour' }
  return { icon: 'ok', tone: 'ok', text: 'Ingest healthy' }
}

export function Health() {
  const health = useHealth()
  const verdict = verdictOf(health)
  return (
    <Popover
      bodyClass="health-body"
      label={`Health: ${verdict.text}`}
      summary={
        <>
          <Icon name={verdict.icon} className={verdict.tone} />
          <span className="health-text">{verdict.text}</span>
        </>
      }
    >
      {() =>
        health.data ? (
          <HealthDetail health={health.data} asOf={health.dataUpdatedAt} error={health.error} />
        ) : (
          <p>{health.error?.message ?? 'Asking the backend…'}</p>
        )
      }
    </Popover>
  )
}

function HealthDetail({ health, asOf, error }: { health: IngestHealth; asOf: number; error: Error | null }) {
  const { store } = health
  return (
    <>
      {error && (
        <p className="bad">
          {error.message}. The figures are {formatAge(asOf)}.
        </p>
      )}
      <section>
        <h2>ClickHouse</h2>
        {!store.available && <p className="bad">{store.message || store.reason}</p>}
        <dl className="facts">
          <dt>Server</dt>
          <dd>
            {store.mode} {store.version}
          </dd>
          <dt>Insert, median / 99th percentile</dt>
          <dd>
            {significant(store.insertP50Ms)} / {significant(store.insertP99Ms)} ms
          </dd>
          <dt>Disk used / free</dt>
          <dd>
            {formatBytes(store.diskUsedBytes)} / {formatBytes(store.diskFreeBytes)}
          </dd>
          <dt>Active parts</dt>
          <dd>{formatCount(store.activeParts)}</dd>
        </dl>
      </section>
      <section>
        <h2>Windows since {formatInstant(Date.parse(health.since))}</h2>
        <dl className="facts">
          <dt>Accepted</dt>
          <dd>{formatCount(health.accepted)}</dd>
          <dt>Sent again, counted once</dt>
          <dd>{formatCount(health.duplicates)}</dd>
          <dt>Bytes in flight / limit</dt>
          <dd>
            {formatBytes(health.bytesInFlight)} / {formatBytes(health.bytesInFlightLimit)}
          </dd>
        </dl>
      </section>
      <Reasons title="Rejected" reasons={health.rejected} />
      <Reasons title="Asked to try again" reasons={health.retryable} />
      <Reasons title="Losses in the last hour" reasons={health.losses.map(asReason)} />
    </>
  )
}

function asReason(loss: Loss) {
  return { reason: `${loss.outcome} ${loss.reason}`, text: loss.text, remedy: loss.remedy, count: loss.count }
}

function Reasons({ title, reasons }: { title: string; reasons: IngestHealth['rejected'] }) {
  const present = reasons.filter(r => r.count > 0 || title.startsWith('Losses'))
  if (present.length === 0) return null
  return (
    <section>
      <h2>{title}</h2>
      <ul className="reason-list">
        {present.map(r => (
          <li key={r.reason}>
            <span>{r.text}</span>
            <span>{formatCount(r.count)}</span>
            {r.remedy && <span className="remedy">{r.remedy}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** On every screen while nothing can be written or read. */
export function StoreBanner() {
  const { data, error } = useHealth()
  if (error) {
    return (
      <div className="banner" role="alert">
        <strong>The backend cannot be reached.</strong> {error.message}. What is on screen may be out of date;
        data is queued in the sidecars.
      </div>
    )
  }
  if (!data || data.store.available) return null
  return (
    <div className="banner" role="alert">
      <strong>The store is unavailable.</strong> Data is queued in the sidecars and will appear here when
      ClickHouse is back. {data.store.message}
    </div>
  )
}
