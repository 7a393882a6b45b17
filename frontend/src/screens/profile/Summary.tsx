import type { ReactNode } from 'react'
import type { Flame, Series } from '../../api/types'
import { coveredSeconds } from '../../profile/series'
import {
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatValue,
  TYPE_LABELS,
} from '../../profile/units'
import { change } from '../../ui/location'
import { Popover } from '../../ui/Popover'
import { MAX_NODES, type UrlState } from '../../url'
import { LossList } from './LossList'

interface Props {
  flame: Flame
  series: Series | undefined
  url: UrlState
}

/** What the flame graph stands on: how much was measured, how much of it is here, and where the rest went. */
export function Summary({ flame, series, url }: Props) {
  const { coverage, scanned } = flame
  return (
    <dl
      className="summary card"
      title={`${formatCount(scanned.rows)} rows read in ${Math.round(scanned.elapsedMs)} ms`}
    >
      <Fact
        name="Total"
        value={`${formatValue(flame.unit, flame.total.value)} ${TYPE_LABELS[flame.type].amount}`}
      >
        {rateText(flame, series)}
      </Fact>
      {flame.total.count > 0 && (
        <Fact name={capitalised(flame.countUnit)} value={formatCount(flame.total.count)}>
          in the graph below
        </Fact>
      )}
      <Fact
        name="Windows"
        value={`${formatCount(coverage.windows.stored)} / ${formatCount(coverage.windows.expected)}`}
      >
        {windowsText(flame)}
      </Fact>
      <Ledger flame={flame} />
      {flame.nodes > 0 && <Omitted flame={flame} url={url} />}
    </dl>
  )
}

function Fact({ name, value, children }: { name: string; value: ReactNode; children?: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>
        <span className="fact-value">{value}</span>
        <span className="fact-note">{children}</span>
      </dd>
    </div>
  )
}

function rateText(flame: Flame, series: Series | undefined): string {
  const seconds = series ? coveredSeconds(series) : 0
  if (seconds === 0) return 'no covered time'
  return `${formatRate(flame.type, flame.total.value / seconds)} mean over ${formatDuration(Math.round(seconds) * 1e9)} covered`
}

function windowsText({ coverage: { windows } }: Flame): string {
  const missing = Math.max(windows.expected - windows.stored - windows.lost, 0)
  const parts = [
    windows.lost > 0 && `${formatCount(windows.lost)} lost`,
    missing > 0 && `${formatCount(missing)} not arrived`,
  ].filter(Boolean)
  return parts.length === 0 ? 'none missing' : parts.join(', ')
}

/** captured = stored + truncated + dropped, in samples. */
function Ledger({ flame }: { flame: Flame }) {
  const { captured, stored, truncated, dropped, losses } = flame.coverage
  const lossy = truncated.count > 0 || dropped.count > 0 || losses.length > 0
  return (
    <Fact
      name={`Captured ${flame.countUnit}`}
      value={
        <span className="ledger">
          {formatCount(captured.count)}
          <Term sign="=" name="stored" amount={stored.count} tone="" />
          <Term sign="+" name="truncated" amount={truncated.count} tone={truncated.count > 0 ? 'warn' : ''} />
          <Term sign="+" name="dropped" amount={dropped.count} tone={dropped.count > 0 ? 'bad' : ''} />
        </span>
      }
    >
      {lossy ? (
        <Popover className="losses" summary={`Why: ${reasonsText(losses.length)}`}>
          {() => <LossList losses={losses} unit={flame.unit} countUnit={flame.countUnit} />}
        </Popover>
      ) : (
        'nothing was lost'
      )}
    </Fact>
  )
}

function Term({ sign, name, amount, tone }: { sign: string; name: string; amount: number; tone: string }) {
  return (
    <span className={`term ${tone}`}>
      {sign} {formatCount(amount)} <span className="term-name">{name}</span>
    </span>
  )
}

function reasonsText(n: number): string {
  return n === 1 ? '1 reason' : `${n} reasons`
}

function Omitted({ flame, url }: { flame: Flame; url: UrlState }) {
  const { omitted, nodes, total } = flame
  if (omitted.nodes === 0) {
    return (
      <Fact name="Omitted by pruning" value="nothing">
        all {formatCount(nodes)} frames are here
      </Fact>
    )
  }
  const more = Math.min((url.nodes || nodes - omitted.nodes) * 8, MAX_NODES)
  return (
    <Fact name="Omitted by pruning" value={`${formatPercent(omitted.value, total.value)} of total`}>
      {formatValue(flame.unit, omitted.value)}, {formatCount(omitted.nodes)} of {formatCount(nodes)} frames
      {url.nodes < MAX_NODES && (
        <button type="button" className="button text" onClick={() => change({ nodes: more })}>
          Show more
        </button>
      )}
    </Fact>
  )
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
