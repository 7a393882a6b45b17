import { useState } from 'react'
import { useInjection } from '../../api/queries'
import type { Injection, InjectionPod } from '../../api/types'
import { countUnprofiled, type InjectionGroup, injectionGroups, matchesPod } from '../../profile/injection'
import { formatCounted } from '../../profile/units'
import { Icon } from '../../ui/Icon'
import { useLive } from '../../ui/live'
import { formatAge } from '../../ui/time'
import { isNarrow } from '../../ui/width'
import type { UrlState } from '../../url'

/** Pods that asked for a profile and are in no list of targets, as they have no sidecar or one that nobody hears. */
export function Injected({ url }: { url: UrlState }) {
  const { now } = useLive()
  const { data, error } = useInjection(now, url)
  if (error) return <NotKnown why={error.message} />
  if (data === undefined) return null
  if (data.state === 'unknown') return <NotKnown why={data.message} />
  return <Pods injection={{ ...data, pods: data.pods.filter(pod => matchesPod(pod, url.search)) }} />
}

function NotKnown({ why }: { why: string }) {
  return (
    <div className="notice" role="status">
      <Icon name="warn" />
      <span>Pods that asked for profiling and have no sidecar are not known: {why}.</span>
    </div>
  )
}

/** On a telephone their reasons would leave no room for the targets. */
function Pods({ injection }: { injection: Injection }) {
  const [open, setOpen] = useState(() => !isNarrow())
  const groups = injectionGroups(injection)
  if (groups.length === 0) return null
  const unprofiled = countUnprofiled(injection)
  return (
    <section className="card injected" aria-label="Pods that asked for profiling">
      <details open={open} onToggle={event => setOpen(event.currentTarget.open)}>
        <summary>
          <Icon name="down" className="chevron" />
          <h2>
            {unprofiled > 0
              ? `${formatCounted(unprofiled, 'pods')} asked for profiling and ${unprofiled === 1 ? 'has' : 'have'} no profile`
              : 'Sidecars of an earlier version'}
            {injection.truncated && <span className="muted"> · not all are listed</span>}
          </h2>
        </summary>
        {groups.map(group => (
          <Group key={group.reason.reason} group={group} />
        ))}
      </details>
    </section>
  )
}

function Group({ group: { reason, pods, profiled } }: { group: InjectionGroup }) {
  return (
    <details>
      <summary>
        <Icon name={profiled ? 'clock' : 'warn'} className={profiled ? 'muted' : 'warn'} />
        <span>
          <span className="strong">
            {formatCounted(pods.length, 'pods')}: {reason.text}.
          </span>{' '}
          {reason.remedy && `${reason.remedy}.`} <code className="muted small">{reason.reason}</code>
        </span>
      </summary>
      <ul>
        {pods.map(pod => (
          <PodLine key={`${pod.namespace}/${pod.pod}`} pod={pod} />
        ))}
      </ul>
    </details>
  )
}

function PodLine({ pod }: { pod: InjectionPod }) {
  const { now } = useLive()
  const created = Date.parse(pod.createdAt)
  return (
    <li>
      {pod.namespace}/{pod.pod}
      <span className="muted small">
        {' '}
        {pod.service && `of ${pod.service}, `}created {formatAge(created, Math.max(now * 1000, created))}
        {pod.detail && ` · ${pod.detail}`}
      </span>
    </li>
  )
}
