import type { Coverage, Diff, Service, Target } from '../../api/types'
import type { SideName } from '../../profile/compare'
import {
  formatCounted,
  formatDuration,
  formatPercent,
  formatRate,
  formatSamples,
  formatValue,
  significant,
  TYPE_LABELS,
} from '../../profile/units'
import { Choices } from '../../ui/Choices'
import { CoverageBar } from '../../ui/Coverage'
import { change } from '../../ui/location'
import { Popover } from '../../ui/Popover'
import { formatBetween, formatSpanWords } from '../../ui/time'
import { ALL, type Base, type BaseRange, formatSpan, NO_BASE, type UrlState } from '../../url'
import { ToldList } from '../profile/LossList'
import { SideThreads } from './SideThreads'
import { type Selection, type Sides, sameService } from './sides'
import { LETTERS } from './words'

interface Props {
  name: SideName
  url: UrlState
  sides: Sides
  diff: Diff | undefined
  services: Service[]
  targets: Target[]
}

/** What one side is of, what was measured there, and how much of it is known. */
export function SideCard({ name, url, sides, diff, services, targets }: Props) {
  const selection = sides[name]
  const set = name === 'base' ? setBase(sides) : setHead
  const ofService = targets.filter(t => sameService(selection, t.identity))
  return (
    <section className={`side card side-${name}`} aria-label={`Side ${LETTERS[name]}`}>
      <div className="side-controls">
        <h2 className="side-letter">{LETTERS[name]}</h2>
        <ServiceSelect {...{ selection, services, set }} label={`Service of ${LETTERS[name]}`} />
        <Choices
          label={`Version of ${LETTERS[name]}`}
          all="All versions"
          several="versions"
          chosen={selection.version}
          options={versionsOf(selection, services, ofService)}
          onChange={version => set({ version, pod: [], series: '' })}
        />
        <Choices
          label={`Pod of ${LETTERS[name]}`}
          all="All pods"
          several="pods"
          chosen={selection.pod}
          options={ofService
            .filter(t => selection.version.length === 0 || selection.version.includes(t.identity.version))
            .map(t => t.identity.pod)}
          onChange={pod => set({ pod, series: '' })}
        />
        <SideThreads
          url={url}
          letter={LETTERS[name]}
          selection={selection}
          onChange={thread => set({ thread })}
        />
      </div>
      <div className="muted small side-when">
        {name === 'base' && <BaseRangeSelect sides={sides} />}
        <span>
          {rangeText(selection)}
          {name === 'head' && url.range.kind === 'last' && ', as chosen above'}
          {selection.series !== '' && `, only target ${selection.series}`}
        </span>
      </div>
      {diff && <Measured diff={diff} name={name} />}
    </section>
  )
}

type Parts = Partial<
  Pick<Selection, 'cluster' | 'namespace' | 'service' | 'version' | 'pod' | 'thread' | 'series'>
>

/** B is the rest of the URL. A choice there takes a single target away: it is of no other version or pod. */
function setHead(parts: Parts) {
  change({ ...parts, zoom: [] })
}

/** Says a choice for A, where it differs from what A takes from B. */
function setBase({ given, head }: Sides): (parts: Parts) => void {
  return parts => {
    const base: Base = { ...given, ...said(parts) }
    if (sameService(base, head)) {
      Object.assign(base, { cluster: '', namespace: '', service: '' })
    }
    change({ base, zoom: [] })
  }
}

function said(parts: Parts): Partial<Base> {
  const all = (values: string[]) => (values.length === 0 ? [ALL] : values)
  const { version, pod, thread, ...rest } = parts
  const out: Partial<Base> = { ...rest }
  if (version !== undefined) out.version = all(version)
  if (pod !== undefined) out.pod = all(pod)
  if (thread !== undefined) out.thread = all(thread)
  return out
}

interface ServiceProps {
  selection: Selection
  services: Service[]
  set(parts: Parts): void
  label: string
}

function ServiceSelect({ selection, services, set, label }: ServiceProps) {
  const keyOf = ({ cluster, namespace, service }: Pick<Selection, 'cluster' | 'namespace' | 'service'>) =>
    JSON.stringify([cluster, namespace, service])
  const known = services.some(s => keyOf(s) === keyOf(selection))
  const options = known ? services : [selection, ...services]
  const choose = (key: string) => {
    const [cluster, namespace, service] = JSON.parse(key) as string[]
    set({ cluster, namespace, service, version: [], pod: [], series: '' })
  }
  return (
    <select
      className="field"
      aria-label={label}
      value={keyOf(selection)}
      onChange={e => choose(e.target.value)}
    >
      {options.map(s => (
        <option key={keyOf(s)} value={keyOf(s)}>
          {[s.service, s.namespace, s.cluster].filter(Boolean).join(' · ')}
        </option>
      ))}
    </select>
  )
}

function versionsOf(selection: Selection, services: Service[], targets: Target[]): string[] {
  const listed = services.filter(s => sameService(selection, s))
  return [...listed.flatMap(s => s.versions), ...targets.map(t => t.identity.version)]
}

const BEFORE = [3600, 86_400, 7 * 86_400]

function BaseRangeSelect({ sides }: { sides: Sides }) {
  const { given, head } = sides
  const length = head.range.to - head.range.from
  const options = [
    ...new Set([length, ...BEFORE, ...(given.range.kind === 'before' ? [given.range.seconds] : [])]),
  ]
  const value = given.range.kind === 'before' ? String(given.range.seconds) : given.range.kind
  const choose = (key: string) => {
    const range: BaseRange = key === 'same' ? NO_BASE.range : { kind: 'before', seconds: Number(key) }
    change({ base: { ...given, range }, zoom: [] })
  }
  return (
    <select className="field" aria-label="Range of A" value={value} onChange={e => choose(e.target.value)}>
      {options.map(seconds => (
        <option key={seconds} value={seconds}>
          {seconds === length ? 'Just before B' : `${spanText(seconds)} before B`}
        </option>
      ))}
      <option value="same">Same time as B</option>
      {value === 'between' && <option value="between">Chosen on the timeline</option>}
    </select>
  )
}

function spanText(seconds: number): string {
  const words = formatSpanWords(seconds)
  return /^\d/.test(words) ? words : `1 ${words || formatSpan(seconds)}`
}

function rangeText({ range }: Selection): string {
  return formatBetween(range.from * 1000, range.to * 1000)
}

function Measured({ diff, name }: { diff: Diff; name: SideName }) {
  const { total, coverage } = diff[name]
  const { windows } = coverage
  return (
    <dl className="side-facts">
      <div>
        <dt>Mean of a target</dt>
        <dd>
          {coverage.recordedSeconds > 0 && total.value > 0
            ? formatRate(diff.type, total.value / coverage.recordedSeconds)
            : 'not known'}
          <span className="muted small">of {significant(coverage.meanTargets)} at a time</span>
        </dd>
      </div>
      <div>
        <dt>Total {TYPE_LABELS[diff.type].amount}</dt>
        <dd>
          {totalText(diff, name)}
          <span className="muted small">
            in {formatDuration(Math.round(coverage.recordedSeconds) * 1e9)} recorded
          </span>
        </dd>
      </div>
      <div>
        <dt>
          {windows.expected > 0
            ? `Windows stored: ${formatPercent(windows.stored, windows.expected)}`
            : 'No window expected'}
        </dt>
        <dd>
          <CoverageBar windows={windows} />
        </dd>
      </div>
      <div>
        <dt>Lost of {formatSamples(coverage.captured.count, diff.countUnit)}</dt>
        <dd>
          <Lost coverage={coverage} diff={diff} />
        </dd>
      </div>
    </dl>
  )
}

function totalText(diff: Diff, name: SideName): string {
  const { total } = diff[name]
  const counted = formatSamples(total.count, diff.countUnit)
  if (total.value === 0 && total.count > 0) return `${counted}, values unknown`
  return formatValue(diff.unit, total.value)
}

function Lost({ coverage, diff }: { coverage: Coverage; diff: Diff }) {
  const { captured, truncated, dropped, losses, notCaptured, notices } = coverage
  const lost = truncated.count + dropped.count
  const reasons = losses.length + notCaptured.length + notices.length
  return (
    <>
      <span className={lost > 0 ? 'warn' : ''}>
        {captured.count > 0 ? formatPercent(lost, captured.count) : 'none captured'}
      </span>
      {reasons > 0 && (
        <Popover className="losses" summary={`Why: ${formatCounted(reasons, 'reasons')}`}>
          {() => <ToldList told={coverage} unit={diff.unit} countUnit={diff.countUnit} />}
        </Popover>
      )}
    </>
  )
}
