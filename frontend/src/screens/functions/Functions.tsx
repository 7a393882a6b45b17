import { useFleetTop } from '../../api/queries'
import type { FleetTop } from '../../api/types'
import { moneyOf } from '../../profile/fleet'
import { formatCounted, formatPercent, formatRate, formatValue, TYPE_LABELS } from '../../profile/units'
import { useSeesNothing } from '../../ui/Account'
import { CoverageBar } from '../../ui/Coverage'
import { Empty, Failure, Loading } from '../../ui/Empty'
import { AsOf, StaleNotice } from '../../ui/Freshness'
import { Icon } from '../../ui/Icon'
import { useResolved } from '../../ui/live'
import { change } from '../../ui/location'
import { SearchField } from '../../ui/SearchField'
import { TypeChoice } from '../../ui/TypeChoice'
import { formatRangeLabel } from '../../ui/time'
import type { UrlState } from '../../url'
import { LossList } from '../profile/LossList'
import { NothingMatches } from '../services/NoServices'
import { FunctionRow } from './FunctionRow'

const MOST = 200

/** What takes most over all services together. */
export function Functions({ url }: { url: UrlState }) {
  const range = useResolved(url.range)
  const order = url.order === 'total' ? 'total' : 'self'
  const answer = useFleetTop(url, range, order, MOST)
  return (
    <>
      <div className="screen-head">
        <h1>Functions</h1>
        <span className="muted">
          of all services{url.namespace && ` in ${url.namespace}`}
          {url.cluster && ` of ${url.cluster}`}
        </span>
        {(url.namespace || url.cluster) && (
          <button
            type="button"
            className="button quiet"
            onClick={() => change({ namespace: '', cluster: '' })}
          >
            Show all namespaces
          </button>
        )}
        <TypeChoice url={url} />
        <Order order={order} />
        <span className="spacer" />
        <AsOf answer={answer} />
        <SearchField
          value={url.search}
          label="Filter functions"
          onChange={search => change({ search }, true)}
        />
      </div>
      <StaleNotice answer={answer} />
      {answer.data ? (
        <Body url={url} answer={answer.data} />
      ) : answer.error ? (
        <Failure error={answer.error} onRetry={answer.retry} />
      ) : (
        <Loading what="the functions of all services" />
      )}
    </>
  )
}

function Order({ order }: { order: 'self' | 'total' }) {
  return (
    <div className="segments" role="group" aria-label="Order">
      {(['self', 'total'] as const).map(one => (
        <button
          type="button"
          key={one}
          aria-pressed={order === one}
          title={one === 'self' ? 'What a function takes itself' : 'With all that it calls'}
          onClick={() => change({ order: one })}
        >
          {one === 'self' ? 'Self' : 'Total'}
        </button>
      ))}
    </div>
  )
}

function Body({ url, answer }: { url: UrlState; answer: FleetTop }) {
  if (answer.functions.length === 0) return <Nothing url={url} answer={answer} />
  const needle = url.search.trim().toLowerCase()
  const shown = answer.functions.filter(f => f.name.toLowerCase().includes(needle))
  return (
    <>
      <Whole answer={answer} />
      {shown.length === 0 ? (
        <NothingMatches what="function" search={url.search} />
      ) : (
        <div className="card table-scroll">
          <table className="list compact functions-list">
            <thead>
              <tr>
                <th scope="col">Function</th>
                <th scope="col" className="number">
                  Self
                </th>
                <th scope="col">Self, % of all</th>
                {moneyOf(answer, 0) !== undefined && (
                  <th scope="col" className="number">
                    Self, a month
                  </th>
                )}
                <th scope="col">Total, % of all</th>
                <th scope="col" className="number">
                  Services
                </th>
                <th scope="col">Most of it in</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(f => (
                <FunctionRow key={`${f.kind} ${f.name}`} url={url} answer={answer} row={f} />
              ))}
            </tbody>
          </table>
          <Rest answer={answer} />
        </div>
      )}
    </>
  )
}

/** What the shares are of, and how much of it is known. */
function Whole({ answer }: { answer: FleetTop }) {
  const { type, unit, total, perSecond, services, unread, coverage } = answer
  const money = moneyOf(answer, total.value)
  const alarming = [...coverage.losses, ...coverage.notCaptured, ...coverage.notices].filter(
    loss => !loss.routine && loss.outcome !== 'shortened',
  )
  return (
    <section className="card fleet-whole" aria-label="All services together">
      <span>
        <span className="strong">{perSecond !== null && formatRate(type, perSecond)}</span>{' '}
        <span className="muted">
          {formatValue(unit, total.value)} {TYPE_LABELS[type].amount} in{' '}
          {formatCounted(services + unread.services, 'services')}
          {money && `, ${money} a month`}
        </span>
      </span>
      <span className="spacer" />
      <CoverageBar windows={coverage.windows} />
      {alarming.length > 0 && (
        <details className="fleet-losses">
          <summary className="warn small">
            <Icon name="warn" /> {alarming[0].text}
            {alarming.length > 1 && ` (and ${alarming.length - 1} more)`}
          </summary>
          <LossList losses={alarming} unit={unit} countUnit={answer.countUnit} />
        </details>
      )}
    </section>
  )
}

/** What is in the whole and not in the rows. */
function Rest({ answer }: { answer: FleetTop }) {
  const { total, omitted, unread, truncated } = answer
  const lines = [
    omitted.self.value > 0 &&
      `Not listed: ${formatCounted(omitted.functions, 'more functions')} with ${formatPercent(omitted.self.value, total.value)} of self.`,
    unread.services > 0 &&
      `Not read: ${formatCounted(unread.services, 'services')} with ${formatPercent(unread.total.value, total.value)}, the lightest or what would take too much; a shorter range or one namespace reads more.`,
    truncated && 'There are more services or targets than are listed or counted.',
  ].filter(line => line !== false)
  if (lines.length === 0) return null
  return <p className="top-foot muted small">{lines.join(' ')}</p>
}

function Nothing({ url, answer }: { url: UrlState; answer: FleetTop }) {
  const { losses, notCaptured } = answer.coverage
  if (useSeesNothing()) return null
  return (
    <Empty
      icon="wait"
      title={`No ${TYPE_LABELS[url.type].tab} samples: ${formatRangeLabel(url.range).toLowerCase()}`}
    >
      <LossList
        losses={[...losses, ...notCaptured]}
        unit={answer.unit}
        countUnit={answer.countUnit}
        showOutcome={false}
      />
    </Empty>
  )
}
