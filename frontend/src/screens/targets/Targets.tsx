import { useTargets } from '../../api/queries'
import type { Target } from '../../api/types'
import {
  countStates,
  matchesTarget,
  type ReasonGroup,
  reasonGroups,
  shownState,
  targetName,
} from '../../profile/targets'
import { formatCounted } from '../../profile/units'
import { useSeesNothing } from '../../ui/Account'
import { Empty, Failure, Loading } from '../../ui/Empty'
import { AsOf, StaleNotice } from '../../ui/Freshness'
import { useLive } from '../../ui/live'
import { change } from '../../ui/location'
import { SearchField } from '../../ui/SearchField'
import { STATE_ORDER, StateBadge, stateStyle } from '../../ui/Status'
import type { UrlState } from '../../url'
import { NothingMatches } from '../services/NoServices'
import { Injected } from './Injected'
import { TargetRow } from './TargetRow'

export function Targets({ url }: { url: UrlState }) {
  const { now } = useLive()
  const answer = useTargets(now, url)
  const targets = answer.data?.targets ?? []
  return (
    <>
      <div className="screen-head">
        <h1>Targets</h1>
        {answer.data && (
          <span className="muted">
            {(answer.data.truncated ? 'the first ' : '') + formatCounted(targets.length, 'targets')}
            {url.service && ` of ${url.service}`}
          </span>
        )}
        {url.service && (
          <button
            type="button"
            className="button quiet"
            onClick={() => change({ service: '', namespace: '', cluster: '' })}
          >
            Show all services
          </button>
        )}
        <span className="spacer" />
        <AsOf answer={answer} />
        <SearchField
          value={url.search}
          label="Filter targets"
          onChange={search => change({ search }, true)}
        />
      </div>
      <StaleNotice answer={answer} />
      <Injected url={url} />
      {answer.data ? (
        <Table url={url} targets={targets} />
      ) : answer.error ? (
        <Failure error={answer.error} onRetry={answer.retry} />
      ) : (
        <Loading what="targets" />
      )}
    </>
  )
}

function Table({ url, targets }: { url: UrlState; targets: Target[] }) {
  if (targets.length === 0) return url.service === '' ? <NoTargets /> : <NoTargetsOf service={url.service} />
  const found = targets.filter(t => matchesTarget(t, url.search))
  const shown = found.filter(t => url.state === '' || shownState(t) === url.state).sort(byUrgency)
  const groups = reasonGroups(shown)
  const grouped = new Set(groups.flatMap(group => group.targets))
  return (
    <>
      <StateFilter chosen={url.state} targets={found} />
      <Groups groups={groups} />
      {shown.length === 0 ? (
        <NothingMatches what="target" search={url.search || url.state} />
      ) : (
        <div className="card table-scroll">
          <table className="list compact targets">
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">Target</th>
                <th scope="col">JVM</th>
                <th scope="col">Session</th>
                <th scope="col">Last window ended</th>
                <th scope="col">Spool</th>
                <th scope="col">Sidecar</th>
              </tr>
            </thead>
            {shown.map(target => (
              <TargetRow
                key={`${target.series}-${target.sidecar}`}
                url={url}
                target={target}
                grouped={grouped.has(target)}
              />
            ))}
          </table>
        </div>
      )}
    </>
  )
}

/** What many targets have in common is said once, with what to do. */
function Groups({ groups }: { groups: ReasonGroup[] }) {
  if (groups.length === 0) return null
  return (
    <ul className="reason-groups" aria-label="Reasons of several targets">
      {groups.map(({ reason, state, targets }) => (
        <li key={`${state} ${reason.reason}`} className="card">
          <StateBadge state={state} count={targets.length} />
          <span>
            <span className="strong">{reason.text}.</span> {reason.remedy && `${reason.remedy}.`}{' '}
            <code className="muted small">{reason.reason}</code>
          </span>
        </li>
      ))}
    </ul>
  )
}

function byUrgency(a: Target, b: Target): number {
  const rank = (t: Target) => (STATE_ORDER as readonly string[]).indexOf(shownState(t))
  return rank(a) - rank(b) || (targetName(a) < targetName(b) ? -1 : 1)
}

/** Scrolls a row that is wider than the screen to one of its buttons, and not the page. */
function showWithin(button: HTMLElement | null) {
  const row = button?.parentElement
  if (!row) return
  const [inner, outer] = [button.getBoundingClientRect(), row.getBoundingClientRect()]
  row.scrollLeft += Math.max(0, inner.right - outer.right) + Math.min(0, inner.left - outer.left)
}

function StateFilter({ chosen, targets }: { chosen: string; targets: Target[] }) {
  const counts = countStates(targets)
  const states = STATE_ORDER.filter(state => counts.has(state) || state === chosen)
  const option = (state: string, label: string, count: number) => (
    <button
      type="button"
      key={state}
      ref={chosen === state ? showWithin : undefined}
      aria-pressed={chosen === state}
      onClick={() => change({ state })}
    >
      {label} <span className="muted">{count}</span>
    </button>
  )
  return (
    <div className="segments scroll-x" role="group" aria-label="State">
      {option('', 'All', targets.length)}
      {states.map(state => option(state, capitalised(stateStyle(state).label), counts.get(state) ?? 0))}
    </div>
  )
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function NoTargetsOf({ service }: { service: string }) {
  return (
    <Empty
      icon="search"
      title={`No target of a service ${service} is known`}
      actions={
        <button
          type="button"
          className="button"
          onClick={() => change({ service: '', namespace: '', cluster: '' })}
        >
          Show all services
        </button>
      }
    >
      <p>Look at the spelling of service, namespace and cluster in the address.</p>
    </Empty>
  )
}

function NoTargets() {
  if (useSeesNothing()) return null
  return (
    <Empty icon="skip" title="No sidecar has reported a target">
      <p>
        A target appears here as soon as a sidecar sees a JVM, profiled or not. If you expect one: is the pod
        annotated <code>profiling.io/enabled: "true"</code>, was it created after the webhook was installed,
        and can it reach the backend? <code>kubectl describe pod</code> shows the webhook's decision in the
        annotation <code>profiling.io/status</code>.
      </p>
    </Empty>
  )
}
