import type { ReactNode } from 'react'
import type { Amount, Flame, Loss, ProfileType, Target } from '../../api/types'
import { someThreads } from '../../profile/threads'
import {
  ESTIMATED_UNIT,
  formatCount,
  formatCounted,
  formatDuration,
  formatPercent,
  formatRate,
  formatSamples,
  formatValue,
  significant,
  TYPE_LABELS,
} from '../../profile/units'
import { Icon } from '../../ui/Icon'
import { change } from '../../ui/location'
import { Popover } from '../../ui/Popover'
import { MAX_NODES, type UrlState } from '../../url'
import { notCapturedText, sizeText, ToldList } from './LossList'

interface Props {
  flame: Flame
  url: UrlState
  targets: Target[] // of what is shown
  open: boolean
  onToggle(open: boolean): void
}

/** What the flame graph stands on, in one line; opened: how much was measured, and where the rest went. */
export function Summary({ flame, url, targets, open, onToggle }: Props) {
  const { coverage, scanned } = flame
  return (
    <details className="ledger-line card" open={open} onToggle={e => onToggle(e.currentTarget.open)}>
      <summary>
        <Icon name="down" className="chevron" />
        <Line flame={flame} url={url} />
      </summary>
      <dl
        className="summary"
        title={`${formatCount(scanned.rows)} rows read in ${Math.round(scanned.elapsedMs)} ms`}
      >
        <Fact
          name={someThreads(url) ? 'Total of all threads' : 'Total'}
          value={
            unknown(flame)
              ? 'not known'
              : `${formatValue(flame.unit, flame.total.value)} ${TYPE_LABELS[flame.type].amount}`
          }
        >
          {rateText(flame)}
        </Fact>
        {someThreads(url) && (
          <Fact
            name={url.inside > 0 ? 'Chosen threads, of the zoomed frame' : 'Chosen threads'}
            value={chosenText(flame)}
          >
            {chosenShare(flame)} of all threads
          </Fact>
        )}
        <KernelAccount {...flame} />
        {flame.total.count > 0 && (
          <Fact
            name={capitalised(flame.countUnit)}
            value={formatSamples(chosenOf(flame).count, flame.countUnit)}
          >
            {flame.countUnit === ESTIMATED_UNIT
              ? 'estimated: of waits a part is recorded, and stands for the rest'
              : 'in the graph below'}
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
        <Notices flame={flame} targets={targets} />
      </dl>
    </details>
  )
}

/** Total, rate and windows; then everything that keeps the figures from being the whole truth, the ordinary of it by name. */
function Line({ flame, url }: Pick<Props, 'flame' | 'url'>) {
  const { coverage, omitted, total, type, unit } = flame
  const { windows, truncated, dropped, notCaptured, notices } = coverage
  const lost = truncated.count + dropped.count
  const missing = windows.expected - windows.stored
  const told = notices.filter(notice => notice.outcome !== 'shortened')
  return (
    <span className="ledger-parts">
      {someThreads(url) && (
        <>
          <strong>
            {chosenText(flame)} in the chosen threads{url.inside > 0 && ', of the zoomed frame'}
          </strong>
          <span className="muted">{chosenShare(flame)} of all threads, which have</span>
        </>
      )}
      <strong>
        {unknown(flame) ? 'Total not known' : `${formatValue(unit, total.value)} ${TYPE_LABELS[type].amount}`}
      </strong>
      {coverage.perSecond !== null && <span>{formatRate(type, coverage.perSecond)} mean</span>}
      <span>{formatSamples(total.count, flame.countUnit)}</span>
      <span className={windows.lost > 0 ? 'warn' : missing > 0 ? 'muted' : 'ok'}>
        {formatCount(windows.stored)} / {formatCounted(windows.expected, 'windows')}
      </span>
      {lost > 0 && (
        <span className="bad">
          {formatCount(lost)} of {formatSamples(coverage.captured.count, flame.countUnit)} lost
        </span>
      )}
      {notCaptured.length > 0 && (
        <span className={notCaptured.every(loss => loss.routine) ? 'muted' : 'warn'}>
          not captured: {notCapturedText(notCaptured, flame.countUnit) || 'amount unknown'}
        </span>
      )}
      {lost + notCaptured.length === 0 && <span className="muted">nothing lost</span>}
      {omitted.nodes > 0 && (
        <span className="muted">{formatPercent(omitted.value, total.value)} omitted by pruning</span>
      )}
      {told.map(notice => (
        <span
          key={notice.outcome + notice.reason}
          className={`${notice.routine ? 'muted' : 'warn'} notice-part`}
          title={notice.text}
        >
          {notice.routine ? (
            notice.reason.replaceAll('_', ' ')
          ) : (
            <>
              <Icon name="warn" /> {noticeText(notice, type)}
              {notice.count > 0 && `: ${sizeText(notice, unit, flame.countUnit)}`}
            </>
          )}
        </span>
      ))}
    </span>
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

/** What of the total is in the threads that the screen is narrowed to. */
function chosenOf({ total, outside }: Flame): Amount {
  return { value: total.value - outside.value, count: total.count - outside.count }
}

function chosenText(flame: Flame): string {
  const { value, count } = chosenOf(flame)
  return unknown(flame) ? formatSamples(count, flame.countUnit) : formatValue(flame.unit, value)
}

function chosenShare(flame: Flame): string {
  const of = unknown(flame) ? 'count' : 'value'
  return formatPercent(chosenOf(flame)[of], flame.total[of])
}

/** Samples without a value: their number is known, and nothing else. */
function unknown({ total }: Flame): boolean {
  return total.value === 0 && total.count > 0
}

function rateText(flame: Flame): string {
  const { type, coverage } = flame
  const { perSecond, recordedSeconds, meanTargets } = coverage
  if (unknown(flame)) return 'no sample has a value; frames are as wide as their samples are many'
  if (perSecond === null) return 'nothing was recorded'
  const recorded = formatDuration(Math.round(recordedSeconds) * 1e9)
  const by = meanTargets > 1.005 ? `, ${significant(meanTargets)} targets at a time` : ''
  const least = coverage.notices.some(notice => notice.outcome === 'unvalued') ? 'at least ' : ''
  return `${least}${formatRate(type, perSecond)} mean over ${recorded} recorded${by}`
}

/** Who measures is measured: the kernel's own account of the same processes. */
function KernelAccount({ coverage: { kernelCpu, windows } }: Flame) {
  if (!kernelCpu) return null
  const { chargedNs, profiledNs } = kernelCpu
  const some = kernelCpu.windows < windows.stored
  return (
    <Fact name="Of the kernel's account" value={formatPercent(profiledNs, chargedNs)}>
      profiled {formatDuration(profiledNs)} of {formatDuration(chargedNs)} that the kernel charged
      {some && ` in ${formatCount(kernelCpu.windows)} of ${formatCount(windows.stored)} windows`}
    </Fact>
  )
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
  const { captured, stored, truncated, dropped, losses, notCaptured, notices } = flame.coverage
  const reasons = losses.length + notCaptured.length + notices.length
  return (
    <Fact
      name={`Captured ${flame.countUnit}${flame.countUnit === ESTIMATED_UNIT ? ', estimated' : ''}`}
      value={
        <span className="ledger">
          {formatCount(captured.count)}
          <Term sign="=" name="stored" amount={stored.count} tone="" />
          <Term sign="+" name="truncated" amount={truncated.count} tone={truncated.count > 0 ? 'warn' : ''} />
          <Term sign="+" name="dropped" amount={dropped.count} tone={dropped.count > 0 ? 'bad' : ''} />
        </span>
      }
    >
      {reasons > 0 ? (
        <>
          <Popover className="losses" summary={`Why: ${formatCounted(reasons, 'reasons')}`}>
            {() => <ToldList told={flame.coverage} unit={flame.unit} countUnit={flame.countUnit} />}
          </Popover>
          {notCaptured.length > 0 && (
            <span>not captured: {notCapturedText(notCaptured, flame.countUnit) || 'amount unknown'}</span>
          )}
        </>
      ) : (
        'nothing was lost'
      )}
    </Fact>
  )
}

/** What changes how the figures are to be read stands where they are, not behind a click. */
function Notices({ flame, targets }: Pick<Props, 'flame' | 'targets'>) {
  const told = flame.coverage.notices.filter(notice => notice.outcome !== 'shortened')
  return told.map(notice => (
    <div key={notice.outcome + notice.reason} className="fact notice-fact">
      <dt>
        <Icon name={notice.routine ? 'clock' : 'warn'} className={notice.routine ? 'muted' : 'warn'} />{' '}
        {noticeText(notice, flame.type)} <code className="muted small">{notice.reason}</code>
      </dt>
      <dd className="small">
        {[
          sizeText(notice, flame.unit, flame.countUnit),
          ...intervalsNow(notice, flame.type, targets),
          notice.remedy,
        ]
          .filter(Boolean)
          .join('. ')}
        .
      </dd>
    </div>
  ))
}

const ADAPTED = 'sampling_adapted'

/** The ledger is of one type, and so is what is noticed: an interval is that of this type. */
function noticeText({ reason, text }: Loss, type: ProfileType): string {
  return reason === ADAPTED
    ? `${TYPE_LABELS[type].tab}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`
    : text
}

/** What the sidecars say of the intervals that this type has now. */
function intervalsNow({ reason }: Loss, type: ProfileType, targets: Target[]): string[] {
  if (reason !== ADAPTED) return []
  const told = targets.flatMap(
    ({ state: { detail } }) => detail.match(new RegExp(`\\b${type} every [^,]+`)) ?? [],
  )
  return told.length === 0 ? [] : [`Now ${[...new Set(told)].join('; ')}`]
}

function Term({ sign, name, amount, tone }: { sign: string; name: string; amount: number; tone: string }) {
  return (
    <span className={`term ${tone}`}>
      {sign} {formatCount(amount)} <span className="term-name">{name}</span>
    </span>
  )
}

function Omitted({ flame, url }: { flame: Flame; url: UrlState }) {
  const { omitted, nodes, total } = flame
  if (omitted.nodes === 0) {
    return (
      <Fact name="Omitted by pruning" value="nothing">
        all {formatCounted(nodes, 'frames')} {nodes === 1 ? 'is' : 'are'} here
      </Fact>
    )
  }
  const more = Math.min((url.nodes || nodes - omitted.nodes) * 8, MAX_NODES)
  return (
    <Fact name="Omitted by pruning" value={`${formatPercent(omitted.value, total.value)} of total`}>
      {formatValue(flame.unit, omitted.value)}, {formatCount(omitted.nodes)} of{' '}
      {formatCounted(nodes, 'frames')}
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
