import type { Answer } from '../../api/answer'
import { useInjection } from '../../api/queries'
import type { Series } from '../../api/types'
import { countOutdated } from '../../profile/injection'
import { OTHER, type ThreadList, threadList, toggled, UNKNOWN } from '../../profile/threads'
import { formatCount, formatCounted, formatValue } from '../../profile/units'
import { useLive } from '../../ui/live'
import { change } from '../../ui/location'
import { ShareBar } from '../../ui/ShareBar'
import type { ThreadFilter, UrlState } from '../../url'

const FOLDED = 'lighter groups that were not told apart'

/** The thread groups of the range with their share of all; each can be chosen, or left out. */
export function Threads({ url, answer }: { url: UrlState; answer: Answer<Series> }) {
  if (!answer.data) {
    return <p className="timeline-none muted">{answer.error?.message ?? 'Loading the thread groups…'}</p>
  }
  const list = threadList(answer.data)
  if (list.total === 0) return <p className="timeline-none muted">No sample is stored in this range.</p>
  return (
    <div className={answer.old ? 'threads old' : 'threads'} aria-busy={answer.old}>
      {!list.told && <HowToGet />}
      <table className="list compact threads-list" aria-label="Thread groups">
        <thead>
          <tr>
            <th scope="col">Thread group</th>
            <th scope="col" className="number">
              Amount
            </th>
            <th scope="col">Of all threads, %</th>
            <th scope="col">Show</th>
          </tr>
        </thead>
        <tbody>
          {list.groups.map(group => (
            <Row key={group.name} url={url} list={list} {...group} />
          ))}
        </tbody>
      </table>
      {list.more > 0 && (
        <p className="threads-note muted small">
          {formatCount(list.more)} lighter groups are not listed; together they have{' '}
          {formatValue(list.unit, list.rest)}.
        </p>
      )}
    </div>
  )
}

/** Said where there are samples and of none of them the thread. */
export function HowToGet() {
  return (
    <p className="threads-note">
      No thread group is known in this range. Sidecars tell them since this version: restart the pods to have
      a current one injected. Pods with the annotation <code>profiling.io/threads: "false"</code> keep the
      names of threads to themselves.
    </p>
  )
}

interface RowProps {
  url: UrlState
  list: ThreadList
  name: string
  amount: number
}

function Row({ url, list, name, amount }: RowProps) {
  return (
    <tr>
      <th scope="row">
        {name}
        {name === UNKNOWN && <Untold url={url} />}
        {name === OTHER && (
          <div className="muted small">
            {FOLDED} <code>thread_limit</code>
          </div>
        )}
      </th>
      <td className="number of-amount" data-label="Amount">
        {formatValue(list.unit, amount)}
      </td>
      <td className="of-share" data-label="Of all threads, %">
        <ShareBar value={amount} whole={list.total} />
      </td>
      <td className="of-show" data-label="Show">
        <div className="row-links">
          <Toggle url={url} filter="thread" label="Only" name={name} />
          <Toggle url={url} filter="excludeThread" label="Without" name={name} />
        </div>
      </td>
    </tr>
  )
}

/** Why samples have no group, as far as it is known: pods with an earlier sidecar are told by the webhook's audit. */
function Untold({ url }: { url: UrlState }) {
  const { now } = useLive()
  const { data } = useInjection(now, url)
  const earlier = data?.state === 'unknown' ? undefined : data && countOutdated(data)
  return (
    <div className="muted small">
      {earlier
        ? `not told by the earlier sidecar of ${formatCounted(earlier, 'pods')}: restart them to have a current one injected`
        : earlier === 0
          ? 'not told: the names of threads are switched off, or an earlier sidecar recorded it'
          : 'not told by the sidecar, which is of an earlier version or has the names of threads switched off'}
    </div>
  )
}

interface ToggleProps {
  url: UrlState
  filter: ThreadFilter
  label: string
  name: string
}

function Toggle({ url, filter, label, name }: ToggleProps) {
  return (
    <button
      type="button"
      className="button small"
      aria-label={`${label} ${name}`}
      aria-pressed={url[filter].includes(name)}
      onClick={() => change({ ...toggled(url, filter, name), zoom: [] })}
    >
      {label}
    </button>
  )
}

/** The range has samples, and none of them is of the chosen threads. */
export function NoThreads({ url }: { url: UrlState }) {
  const { thread, excludeThread } = url
  return (
    <div className="empty">
      <h2>No sample of these threads in this range</h2>
      <p>
        {thread.length > 0 && `Only ${thread.join(', ')}. `}
        {excludeThread.length > 0 && `Without ${excludeThread.join(', ')}. `}
        The range has samples of other threads; “Threads” on the timeline lists their groups.
      </p>
      <div className="actions">
        <button
          type="button"
          className="button"
          onClick={() => change({ thread: [], excludeThread: [], zoom: [] })}
        >
          Show all threads
        </button>
      </div>
    </div>
  )
}
