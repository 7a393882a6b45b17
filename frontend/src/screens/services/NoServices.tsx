import { useKept, useTargets } from '../../api/queries'
import type { Target } from '../../api/types'
import { formatCounted } from '../../profile/units'
import { useSeesNothing } from '../../ui/Account'
import { Empty, Failure, Loading } from '../../ui/Empty'
import { Link } from '../../ui/Link'
import { useLive } from '../../ui/live'
import { change } from '../../ui/location'
import { STATE_ORDER, StateBadge } from '../../ui/Status'
import { formatRangeLabel, formatSpanWords } from '../../ui/time'
import { linkTo, type UrlState } from '../../url'

/** Nothing in the range: because nothing is known at all, or because what is known has sent no window. */
export function NoServices({ url }: { url: UrlState }) {
  const { now } = useLive()
  const answer = useTargets(now, { cluster: '', namespace: '', service: '' })
  if (useSeesNothing()) return null
  if (answer.error && !answer.data) return <Failure error={answer.error} onRetry={answer.retry} />
  if (!answer.data) return <Loading what="targets" />
  const { targets } = answer.data
  return targets.length === 0 ? <NothingInstalled url={url} /> : <NothingStored url={url} targets={targets} />
}

function WidenButton() {
  const kept = useKept()
  return (
    <button
      type="button"
      className="button"
      onClick={() => change({ range: { kind: 'last', seconds: kept } })}
    >
      Look at the last {formatSpanWords(kept)}
    </button>
  )
}

function NothingInstalled({ url }: { url: UrlState }) {
  return (
    <Empty icon="flame" title="No sidecar has reported yet" actions={<WidenButton />}>
      <p>
        {formatRangeLabel(url.range)}: no window arrived and no target is known. Opt a pod in by annotating
        its <strong>pod template</strong>, then roll it out so that the webhook can inject the sidecar:
      </p>
      <pre>{`spec:
  template:
    metadata:
      annotations:
        profiling.io/enabled: "true"`}</pre>
      <p>
        Without Kubernetes, run{' '}
        <code>
          sidecar run <span className="nowrap">--local</span> <span className="nowrap">--pid PID</span>{' '}
          <span className="nowrap">--backend URL</span>
        </code>{' '}
        beside a JVM. To see the JVMs, and why each is or is not profiled, run <code>sidecar targets</code>.
      </p>
    </Empty>
  )
}

function NothingStored({ url, targets }: { url: UrlState; targets: Target[] }) {
  const count = (state: string) => targets.filter(t => (t.silent ? 'silent' : t.state.state) === state).length
  return (
    <Empty
      icon="wait"
      title={`No windows: ${formatRangeLabel(url.range).toLowerCase()}`}
      actions={
        <>
          <Link className="button primary" href={linkTo(url, 'targets')}>
            See why, target by target
          </Link>
          <WidenButton />
        </>
      }
    >
      <p>
        {formatCounted(targets.length, 'targets')} {targets.length === 1 ? 'is' : 'are'} known, but none has a
        window in this range.
      </p>
      <div className="badges">
        {STATE_ORDER.filter(state => count(state) > 0).map(state => (
          <StateBadge key={state} state={state} count={count(state)} />
        ))}
      </div>
    </Empty>
  )
}

export function NothingMatches({ what, search }: { what: string; search: string }) {
  return (
    <Empty
      icon="search"
      title={`No ${what} matches “${search}”`}
      actions={
        <button type="button" className="button" onClick={() => change({ search: '', state: '' }, true)}>
          Clear the filter
        </button>
      }
    />
  )
}
