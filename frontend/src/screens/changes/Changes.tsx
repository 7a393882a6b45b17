import { useMemo } from 'react'
import { useChanges } from '../../api/queries'
import type { Changes as Answer } from '../../api/types'
import { formatCount, formatCounted, formatPercent, formatSamples } from '../../profile/units'
import { CopyLink } from '../../ui/CopyLink'
import { CoverageBar } from '../../ui/Coverage'
import { Empty, Failure, Loading } from '../../ui/Empty'
import { FilterList } from '../../ui/FilterChips'
import { AsOf, StaleNotice } from '../../ui/Freshness'
import { Link } from '../../ui/Link'
import { useLive, useResolved } from '../../ui/live'
import { change } from '../../ui/location'
import { SearchField } from '../../ui/SearchField'
import { ServiceHead } from '../../ui/ServiceHead'
import { formatBetween } from '../../ui/time'
import { formatUrl, linkTo, NO_BASE, THREAD_FILTERS, type UrlState } from '../../url'
import { doubtsOfSides } from '../compare/doubts'
import { baseParams, sidesOf } from '../compare/sides'
import { Doubts } from '../compare/Verdict'
import { ChangeList } from './ChangeList'
import { baseOf, isAutomatic } from './compared'
import { VerdictCard } from './VerdictCard'

const MOST = 500
const DAY = 86_400

/** What narrows both sides and is not said of each. */
const OF_BOTH = ['pod', 'container', 'node', ...THREAD_FILTERS] as const

/** Which functions of a service take another share than before, told from chance. */
export function Changes({ url }: { url: UrlState }) {
  const { now } = useLive()
  const range = useResolved(url.range)
  const automatic = isAutomatic(url)
  const base = useMemo(() => (automatic ? {} : baseParams(sidesOf(url, now))), [url, now, automatic])
  const answer = useChanges(url, range, base, MOST)
  return (
    <>
      <Head url={url} range={range}>
        <AsOf answer={answer} />
      </Head>
      <StaleNotice answer={answer} />
      <FilterList url={url} names={OF_BOTH} />
      <VerdictCard url={url} />
      {answer.data ? (
        <div className={answer.old ? 'profile-body old' : 'profile-body'} aria-busy={answer.old}>
          <Compared url={url} answer={answer.data} />
          <Body url={url} answer={answer.data} />
        </div>
      ) : answer.error ? (
        <Failure error={answer.error} onRetry={answer.retry} />
      ) : (
        <Loading what="the changes" />
      )}
    </>
  )
}

interface HeadProps {
  url: UrlState
  range: { from: number; to: number }
  children: React.ReactNode
}

function Head({ url, range, children }: HeadProps) {
  const automatic = isAutomatic(url)
  return (
    <ServiceHead url={url} title="What changed">
      <div className="segments" role="group" aria-label="Compared to">
        <button type="button" aria-pressed={automatic} onClick={() => change({ base: NO_BASE, version: [] })}>
          Version before
        </button>
        <button
          type="button"
          aria-pressed={url.base.range.kind === 'before' && url.base.range.seconds === DAY}
          onClick={() => change({ base: { ...NO_BASE, range: { kind: 'before', seconds: DAY } } })}
        >
          Yesterday
        </button>
      </div>
      <span className="spacer" />
      {children}
      <CopyLink href={formatUrl({ ...url, range: { kind: 'between', ...range } })} />
    </ServiceHead>
  )
}

/** What is compared to what, and how much of each side is known. */
function Compared({ url, answer }: { url: UrlState; answer: Answer }) {
  const sides = [
    { letter: 'A', side: answer.base },
    { letter: 'B', side: answer.head },
  ]
  return (
    <div className="sides">
      {sides.map(({ letter, side }) => (
        <section
          key={letter}
          className={`side card side-${letter === 'A' ? 'base' : 'head'}`}
          aria-label={`Side ${letter}`}
        >
          <div className="side-controls">
            <h2 className="side-letter">{letter}</h2>
            <span className="strong">{sideName(side.versions)}</span>
            <span className="muted">
              {formatBetween(Date.parse(side.range.from), Date.parse(side.range.to))}
            </span>
            <span className="spacer" />
            <CoverageBar windows={side.coverage.windows} />
            <span className="muted small">{formatSamples(side.total.count, answer.countUnit)}</span>
          </div>
          <Doubts doubts={doubtsOfSides({ [letter]: side.coverage }, answer)} />
        </section>
      ))}
      {isAutomatic(url) && answer.head.versions.length === 0 && (
        <p className="muted small compared-note">
          The range has one version, so it is compared to itself at the same time yesterday.
        </p>
      )}
    </div>
  )
}

function sideName(versions: string[]): string {
  if (versions.length === 0) return 'All versions'
  return `Version ${versions.map(v => v || '(unnamed)').join(', ')}`
}

function Body({ url, answer }: { url: UrlState; answer: Answer }) {
  if (!answer.enough) return <NotEnough url={url} answer={answer} />
  if (answer.changes.length === 0) return <NoChange url={url} answer={answer} />
  const needle = url.search.trim().toLowerCase()
  const shown = answer.changes.filter(c => c.name.toLowerCase().includes(needle))
  return (
    <section className="card" aria-label="Changes">
      <div className="toolbar">
        <span className="strong">
          {formatCounted(answer.changes.length + answer.omitted, 'changes')} among{' '}
          {formatCounted(answer.tested, 'shares')}
        </span>
        <span className="muted small">{levelText(answer)}</span>
        <span className="spacer" />
        <SearchField
          value={url.search}
          label="Filter functions"
          onChange={search => change({ search }, true)}
        />
        <CompareButton url={url} answer={answer} />
      </div>
      {shown.length > 0 ? (
        <ChangeList url={url} answer={answer} shown={shown} />
      ) : (
        <p className="top-none muted">No changed function matches “{url.search}”.</p>
      )}
      {answer.omitted > 0 && (
        <p className="top-foot muted small">{formatCounted(answer.omitted, 'smaller changes')} not listed.</p>
      )}
    </section>
  )
}

function levelText({ level }: Answer): string {
  return `Two sides that do not differ show any change at all in at most ${formatPercent(level, 1)} of comparisons.`
}

function CompareButton({ url, answer }: { url: UrlState; answer: Answer }) {
  const { cluster, namespace, service, type, thread, excludeThread } = url
  const of = { cluster, namespace, service, type, thread, excludeThread }
  return (
    <Link className="button" href={linkTo(url, 'compare', { ...of, ...baseOf(answer) })}>
      Compare A and B
    </Link>
  )
}

/** What is missing on which side, and what brings it. */
function NotEnough({ url, answer }: { url: UrlState; answer: Answer }) {
  const poor = [
    { letter: 'A', side: answer.base },
    { letter: 'B', side: answer.head },
  ]
  return (
    <Empty
      icon="wait"
      title="Not enough data to tell a change from chance"
      actions={
        <>
          <button
            type="button"
            className="button primary"
            onClick={() => change({ range: { kind: 'last', seconds: 6 * 3600 } })}
          >
            Look at the last 6 hours
          </button>
          <CompareButton url={url} answer={answer} />
        </>
      }
    >
      <ul>
        {poor.map(({ letter, side }) => (
          <li key={letter}>
            {letter}: {sideName(side.versions).toLowerCase()},{' '}
            {formatBetween(Date.parse(side.range.from), Date.parse(side.range.to))}:{' '}
            {formatCount(side.blocks)} {side.blocks === 1 ? 'stretch' : 'stretches'} of time and pods with{' '}
            {formatSamples(side.total.count, answer.countUnit)}
          </li>
        ))}
      </ul>
      <p>
        A longer range or more pods help: a change must be larger than how much each side varies by itself.
      </p>
    </Empty>
  )
}

function NoChange({ url, answer }: { url: UrlState; answer: Answer }) {
  return (
    <Empty
      icon="ok"
      title="No function takes another share than before"
      actions={<CompareButton url={url} answer={answer} />}
    >
      <p>
        {formatCounted(answer.tested, 'shares')} of {formatCount(answer.head.total.count)} and{' '}
        {formatSamples(answer.base.total.count, answer.countUnit)} were compared. A change smaller than how
        much each side varies by itself is not found.
      </p>
    </Empty>
  )
}
