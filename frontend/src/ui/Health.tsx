import type { UseQueryResult } from '@tanstack/react-query'
import { useHealth } from '../api/queries'
import type { IngestHealth, Loss } from '../api/types'
import { formatBytes, formatCount, formatCounted, formatDuration, significant } from '../profile/units'
import { Icon, type IconName } from './Icon'
import { Popover } from './Popover'
import { formatAge, formatInstant } from './time'

interface Verdict {
  icon: IconName
  tone: 'ok' | 'warn' | 'bad' | 'muted'
  text: string
}

const REFUSALS_SHOWN = 10

/** How much of the in-flight limit may be used before the indicator warns. */
const BUSY = 0.8

function verdictOf({ data, error }: UseQueryResult<IngestHealth>): Verdict {
  if (error) return { icon: 'bad', tone: 'bad', text: 'Backend unreachable' }
  if (!data) return { icon: 'wait', tone: 'muted', text: 'Checking' }
  if (!data.store.available) return { icon: 'bad', tone: 'bad', text: 'Store unavailable' }
  if (data.bytesInFlight > BUSY * data.bytesInFlightLimit)
    return { icon: 'warn', tone: 'warn', text: 'Ingest busy' }
  const { losses, notices } = toldBy(data)
  if (losses.some(loss => !loss.routine))
    return { icon: 'warn', tone: 'warn', text: 'Losses in the last hour' }
  if (notices.some(notice => !notice.routine))
    return { icon: 'warn', tone: 'warn', text: 'Notices in the last hour' }
  return { icon: 'ok', tone: 'ok', text: 'Ingest healthy' }
}

/** What is lost, and what is only to be known of samples that are stored. */
function toldBy({ losses }: IngestHealth) {
  const stored = ({ outcome }: Loss) => outcome === 'noticed' || outcome === 'shortened'
  return { losses: losses.filter(loss => !stored(loss)), notices: losses.filter(stored) }
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
  const { losses, notices } = toldBy(health)
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
        {store.available && store.message && <p className="muted">{store.message}</p>}
        <StoreEnded ended={store.ended} />
        <dl className="facts">
          <dt>Server</dt>
          <dd>
            {store.mode} {store.version}
          </dd>
          <dt>Insert, median / 99th percentile</dt>
          <dd>
            {significant(store.insertP50Ms)} / {significant(store.insertP99Ms)} ms
          </dd>
          <dt>Tables on disk</dt>
          <dd>{formatBytes(store.diskUsedBytes)}</dd>
          <dt>Free on that disk</dt>
          <dd>{formatBytes(store.diskFreeBytes)}</dd>
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
      <Reasons title="Rejected" lines={health.rejected.filter(r => r.count > 0).map(asLine)} />
      <RefusalList list={health.refusals} />
      <Reasons title="Asked to try again" lines={health.retryable.filter(r => r.count > 0).map(asLine)} />
      <Reasons title="Losses in the last hour" lines={losses.map(lossLine)} />
      <Reasons title="Notices in the last hour" lines={notices.map(lossLine)} />
    </>
  )
}

/** That the ClickHouse inside ended by itself; what it wrote is durable, what was in work comes again. */
export function StoreEnded({ ended }: { ended: IngestHealth['store']['ended'] }) {
  if (!ended) return null
  return (
    <p className="warn">
      It ended by itself and was started again{' '}
      {ended.count === 1 ? 'once' : `${formatCount(ended.count)} times`}, last{' '}
      {formatAge(Date.parse(ended.last))} ({ended.how}). Why is in the backend’s log.
    </p>
  )
}

interface ReasonLine {
  key: string
  text: string
  remedy: string
  size: string
}

function asLine({ reason, text, remedy, count }: IngestHealth['rejected'][number]): ReasonLine {
  return { key: reason, text, remedy, size: formatCount(count) }
}

function lossLine(loss: Loss): ReasonLine {
  const { outcome, reason, text, remedy, count, durationNs } = loss
  const size = count > 0 ? formatCounted(count, 'samples') : durationNs > 0 ? formatDuration(durationNs) : ''
  return { key: `${outcome} ${reason}`, text, remedy, size }
}

function Reasons({ title, lines }: { title: string; lines: ReasonLine[] }) {
  if (lines.length === 0) return null
  return (
    <section>
      <h2>{title}</h2>
      <ul className="reason-list">
        {lines.map(line => (
          <li key={line.key}>
            <span>{line.text}</span>
            <span className="number">{line.size}</span>
            {line.remedy && <span className="remedy">{line.remedy}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Whose uploads were rejected: a pod where its token said so, else an address. */
export function RefusalList({ list }: { list: IngestHealth['refusals'] }) {
  if (list.length === 0) return null
  return (
    <section>
      <h2>Who was rejected, the latest first</h2>
      <ul className="reason-list">
        {list.slice(0, REFUSALS_SHOWN).map(r => (
          <li key={`${r.reason} ${r.namespace} ${r.pod} ${r.address}`}>
            <span className="strong">
              {r.pod === '' ? `Unknown, at ${r.address}` : `${r.namespace} / ${r.pod}`}
            </span>
            <span className="number">{formatCount(r.count)}</span>
            <span className="remedy">
              {r.text}: {r.message}. Last {formatAge(Date.parse(r.last))}.
            </span>
          </li>
        ))}
      </ul>
      {list.length > REFUSALS_SHOWN && (
        <p className="small">{formatCount(list.length - REFUSALS_SHOWN)} more</p>
      )}
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
      ClickHouse takes it again. {data.store.message}
    </div>
  )
}
