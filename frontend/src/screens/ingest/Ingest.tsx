import {
  type Between,
  useHealth,
  useIngestHistory,
  useIngestStorage,
  useServices,
  useTargets,
} from '../../api/queries'
import type { IngestHealth, Target } from '../../api/types'
import { targetName } from '../../profile/targets'
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatPercent,
  significant,
} from '../../profile/units'
import { CoverageBar } from '../../ui/Coverage'
import { Failure, Loading } from '../../ui/Empty'
import { AsOf, StaleNotice } from '../../ui/Freshness'
import { RefusalList, StoreEnded } from '../../ui/Health'
import { Icon } from '../../ui/Icon'
import { Link } from '../../ui/Link'
import { useLive, useResolved } from '../../ui/live'
import { formatAge, formatInstant } from '../../ui/time'
import { linkTo, type UrlState } from '../../url'
import { sizeText } from '../profile/LossList'
import {
  type Missing,
  missingOf,
  type Queue,
  queueOf,
  sumWindows,
  type Verdict,
  verdictOf,
} from './completeness'
import { History } from './History'
import { Stored } from './Stored'

const MOST_QUEUED = 8
const POINTS = 120

/** Whether the data is complete, what is lost and why, and what to do. */
export function Ingest({ url }: { url: UrlState }) {
  const { now } = useLive()
  const range = useResolved(url.range)
  const health = useHealth()
  const services = useServices(range)
  const targets = useTargets(now, { cluster: '', namespace: '', service: '' })
  const history = useIngestHistory(range, POINTS)
  const storage = useIngestStorage()
  const list = services.data?.services ?? []
  const known = targets.data?.targets ?? []
  const missing = missingOf(list)
  const judged = services.data !== undefined || health.data?.store.available === false
  return (
    <>
      <div className="screen-head">
        <h1>Ingest</h1>
        <span className="spacer" />
        <AsOf answer={services} />
      </div>
      <StaleNotice answer={services} />
      {judged ? (
        <VerdictCard verdict={verdictOf(health.data, list, known, missing)} />
      ) : services.error ? (
        <Failure error={services.error} onRetry={services.retry} />
      ) : (
        <Loading what="the state of ingestion" />
      )}
      {services.data && <Figures url={url} windows={sumWindows(list)} queue={queueOf(known)} />}
      <History answer={history} />
      {missing.length > 0 && <WhatIsMissing url={url} missing={missing} range={range} />}
      {health.data && <Store health={health.data} />}
      {storage.data && <Stored url={url} storage={storage.data} />}
      {health.data && health.data.refusals.length > 0 && (
        <section className="card ingest-card">
          <RefusalList list={health.data.refusals} />
        </section>
      )}
      <Queued url={url} targets={known} />
    </>
  )
}

const ICONS = { ok: 'ok', warn: 'warn', bad: 'bad' } as const

function VerdictCard({ verdict: { tone, text, todo } }: { verdict: Verdict }) {
  return (
    <section className={`card ingest-verdict ${tone}-verdict`} aria-label="Verdict" role="status">
      <Icon name={ICONS[tone]} className={tone} />
      <div>
        <p className="verdict-words">{text}</p>
        <p>
          <span className="strong">To do:</span> {todo}
        </p>
      </div>
    </section>
  )
}

interface FiguresProps {
  url: UrlState
  windows: ReturnType<typeof sumWindows>
  queue: Queue
}

function Figures({ url, windows, queue }: FiguresProps) {
  return (
    <dl className="card ingest-figures">
      <div>
        <dt>Windows stored of expected</dt>
        <dd>
          <CoverageBar windows={windows} /> {formatPercent(windows.stored, windows.expected)}
        </dd>
      </div>
      <div>
        <dt>Lost</dt>
        <dd className={windows.lost > 0 ? 'bad' : ''}>{formatCount(windows.lost)}</dd>
      </div>
      <div>
        <dt>Not arrived</dt>
        <dd>{formatCount(Math.max(windows.expected - windows.stored - windows.lost, 0))}</dd>
      </div>
      <div>
        <dt>Waiting in sidecars</dt>
        <dd>
          {queue.windows === 0
            ? 'nothing'
            : `${formatCounted(queue.windows, 'windows')}, ${formatBytes(queue.bytes)}, oldest ${formatDuration(Math.round(queue.oldestSeconds) * 1e9)}`}
        </dd>
      </div>
      <div>
        <dt>Dropped by full spools</dt>
        <dd className={queue.dropped > 0 ? 'bad' : ''}>{formatCounted(queue.dropped, 'windows')}</dd>
      </div>
      <div>
        <dt>By service</dt>
        <dd>
          <Link href={linkTo(url, 'services', { sort: 'trouble' })}>Services by trouble</Link>
        </dd>
      </div>
    </dl>
  )
}

interface MissingProps {
  url: UrlState
  missing: Missing[]
  range: Between
}

function WhatIsMissing({ url, missing }: MissingProps) {
  return (
    <section className="card ingest-card" aria-labelledby="missing">
      <h2 id="missing">What is lost, and why</h2>
      <div className="table-scroll">
        <table className="list compact missing-list">
          <thead>
            <tr>
              <th scope="col">Reason</th>
              <th scope="col">How much</th>
              <th scope="col">Where</th>
              <th scope="col">What to do</th>
            </tr>
          </thead>
          <tbody>
            {missing.map(({ loss, services, captured }) => (
              <tr key={`${captured} ${loss.outcome} ${loss.reason}`}>
                <th scope="row">
                  {loss.text}
                  <div className="muted small">
                    <code>{loss.reason}</code>, {captured ? `captured, then ${loss.outcome}` : 'not captured'}
                  </div>
                </th>
                <td className="of-much" data-label="How much">
                  {sizeText({ ...loss, value: 0 }, '', 'samples')}
                </td>
                <td className="of-where" data-label="Where">
                  <div>
                    {services.slice(0, 3).map((s, i) => (
                      <span key={`${s.cluster}/${s.namespace}/${s.service}`}>
                        {i > 0 && ', '}
                        <Link
                          href={linkTo(url, 'profile', {
                            cluster: s.cluster,
                            namespace: s.namespace,
                            service: s.service,
                          })}
                        >
                          {s.service}
                        </Link>
                      </span>
                    ))}
                    {services.length > 3 && ` and ${formatCount(services.length - 3)} more`}
                  </div>
                </td>
                <td className="of-todo" data-label="What to do">
                  {loss.remedy ? `${loss.remedy}.` : 'Nothing; it is told for the record.'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function Store({
  health: { store, since, accepted, duplicates, bytesInFlight, bytesInFlightLimit },
}: {
  health: IngestHealth
}) {
  return (
    <section className="card ingest-card" aria-labelledby="store">
      <h2 id="store">
        ClickHouse{' '}
        <span className={store.available ? 'ok' : 'bad'}>
          {store.available ? 'is available' : 'is unavailable'}
        </span>
      </h2>
      {!store.available && <p className="bad">{store.message || store.reason}</p>}
      <StoreEnded ended={store.ended} />
      <dl className="ingest-figures">
        <div>
          <dt>Server</dt>
          <dd>
            {store.mode} {store.version}
          </dd>
        </div>
        <div>
          <dt>Insert, median / 99th percentile</dt>
          <dd>
            {significant(store.insertP50Ms)} / {significant(store.insertP99Ms)} ms
          </dd>
        </div>
        <div>
          <dt>Tables on disk</dt>
          <dd>
            {formatBytes(store.diskUsedBytes)}
            {store.diskLimitBytes > 0 && (
              <span className="muted small">of {formatBytes(store.diskLimitBytes)} that they may take</span>
            )}
          </dd>
        </div>
        <div>
          <dt>Free on that disk</dt>
          <dd>{formatBytes(store.diskFreeBytes)}</dd>
        </div>
        {store.givenUp.length > 0 && (
          <div>
            <dt>Days given up for room</dt>
            <dd className="bad">{store.givenUp.map(({ day }) => day).join(', ')}</dd>
          </div>
        )}
        <div>
          <dt>Active parts</dt>
          <dd>{formatCount(store.activeParts)}</dd>
        </div>
        <div>
          <dt>Windows accepted / sent again, since {formatInstant(Date.parse(since))}</dt>
          <dd>
            {formatCount(accepted)} / {formatCount(duplicates)}
          </dd>
        </div>
        <div>
          <dt>Bytes in flight / limit</dt>
          <dd>
            {formatBytes(bytesInFlight)} / {formatBytes(bytesInFlightLimit)}
          </dd>
        </div>
      </dl>
    </section>
  )
}

/** The sidecars with the longest queues. */
function Queued({ url, targets }: { url: UrlState; targets: Target[] }) {
  const { now } = useLive()
  const queued = targets
    .filter(({ spool }) => spool.windows > 0 || spool.droppedWindows > 0)
    .sort((a, b) => b.spool.oldestSeconds - a.spool.oldestSeconds)
  if (queued.length === 0) return null
  return (
    <section className="card ingest-card" aria-labelledby="queued">
      <h2 id="queued">Sidecars with windows that wait</h2>
      <ul className="reason-list">
        {queued.slice(0, MOST_QUEUED).map(({ series, identity, spool, reportedAt }) => (
          <li key={series}>
            <Link href={linkTo(url, 'targets', { search: identity.pod || identity.node })}>
              {targetName({ identity } as Target)}
            </Link>
            <span className="number">
              {formatCounted(spool.windows, 'windows')}, oldest{' '}
              {formatDuration(Math.round(spool.oldestSeconds) * 1e9)}
            </span>
            <span className="remedy">
              {spool.lastPushError || 'No upload has failed'}. Reported{' '}
              {formatAge(Date.parse(reportedAt), Math.max(now * 1000, Date.parse(reportedAt)))}.
            </span>
          </li>
        ))}
      </ul>
      {queued.length > MOST_QUEUED && (
        <p className="small">{formatCount(queued.length - MOST_QUEUED)} more, see the targets</p>
      )}
    </section>
  )
}
