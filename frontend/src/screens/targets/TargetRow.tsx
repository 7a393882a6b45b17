import { useState } from 'react'
import type { Target } from '../../api/types'
import { hasNoJVM, lifeOf, shownState, targetName } from '../../profile/targets'
import { formatBytes, formatCounted, formatDuration } from '../../profile/units'
import { Icon } from '../../ui/Icon'
import { Link } from '../../ui/Link'
import { useLive } from '../../ui/live'
import { StateBadge, stateStyle } from '../../ui/Status'
import { formatAge, formatInstant } from '../../ui/time'
import { linkTo, type UrlState } from '../../url'

const COLUMNS = 7

export function TargetRow({ url, target, grouped }: { url: UrlState; target: Target; grouped: boolean }) {
  const { identity } = target
  const [open, setOpen] = useState(false)
  return (
    <tbody className={open ? 'target open' : 'target'}>
      <tr>
        <td className="of-state">
          <StateBadge state={shownState(target)} />
          <Life target={target} />
        </td>
        <th scope="row">
          <Link href={profileLink(url, target)}>{targetName(target)}</Link>
          <div className="muted small">
            {[identity.service, identity.version, identity.namespace, identity.cluster]
              .filter(Boolean)
              .join(' · ')}
          </div>
          {identity.pod !== '' && <div className="muted small">on {identity.node}</div>}
        </th>
        <td className="of-more" data-label="JVM">
          <div className="cut" title={identity.mainClass}>
            {lastPart(identity.mainClass) || '–'}
          </div>
          <div className="muted small">
            {identity.jvmVersion || (hasNoJVM(target) ? 'none seen' : 'version unknown')}
          </div>
        </td>
        <td className="of-more" data-label="Session">
          <Session target={target} />
        </td>
        <td className="of-last" data-label="Last window ended">
          <LastWindow target={target} />
        </td>
        <td className="of-more" data-label="Spool">
          <Spool target={target} />
        </td>
        <td className="of-more" data-label="Sidecar">
          <div>{target.sidecarVersion}</div>
          <div className="muted small">reported {useAge(Date.parse(target.reportedAt))}</div>
        </td>
        <td className="of-toggle">
          <button
            type="button"
            className="button quiet square"
            aria-expanded={open}
            aria-label={`More about ${targetName(target)}`}
            onClick={() => setOpen(!open)}
          >
            <Icon name="down" />
          </button>
        </td>
      </tr>
      <Trouble target={target} grouped={grouped} />
    </tbody>
  )
}

/** From the JVM's start to its last window. */
function Life({ target }: { target: Target }) {
  return (
    <ol className="life small muted">
      {lifeOf(target).map(({ name, at }) => (
        <li key={name} className={at === undefined ? 'life-open' : ''}>
          {name} {at === undefined ? 'never' : formatInstant(at)}
        </li>
      ))}
    </ol>
  )
}

function profileLink(url: UrlState, { identity, series }: Target): string {
  const { cluster, namespace, service } = identity
  return linkTo(url, 'profile', { cluster, namespace, service, series })
}

function useAge(ms: number): string {
  const { now } = useLive()
  return formatAge(ms, Math.max(now * 1000, ms))
}

function lastPart(mainClass: string): string {
  return mainClass.slice(mainClass.lastIndexOf('.') + 1)
}

function Session({ target: { state, reason } }: { target: Target }) {
  if (state.session === '') return <span className="muted">none</span>
  return (
    <>
      <div>
        {state.events.map(event => (
          <span className="chip" key={event}>
            {event}
          </span>
        ))}
      </div>
      <div className="muted small" title={state.options}>
        {state.profilerVersion ? `async-profiler ${state.profilerVersion}` : 'profiler of unknown version'},
        engine {state.engine || 'unknown'}, windows of {formatDuration(state.windowSeconds * 1e9)}
      </div>
      {state.threads !== true && <div className="muted small">{withoutThreads(state)}</div>}
      {!reason && state.detail && <div className="muted small session-detail">{state.detail}</div>}
      <div className="muted small">
        <code>{state.session.slice(0, 12)}</code>
        {state.adopted && ', adopted from an earlier sidecar'}
      </div>
    </>
  )
}

/** Samples of both are of the thread group (unknown). */
function withoutThreads({ threads }: Target['state']): string {
  return threads === false
    ? 'names of threads are left out, as asked'
    : 'no names of threads: an earlier version of the sidecar'
}

function LastWindow({ target: { state } }: { target: Target }) {
  const age = useAge(Date.parse(state.lastWindowEnd ?? ''))
  if (!state.lastWindowEnd) return <span className="muted">never</span>
  return (
    <>
      <div title={formatInstant(Date.parse(state.lastWindowEnd))}>{age}</div>
      {state.stallNs > 0 && (
        <div className="muted small">recording stalled {formatDuration(state.stallNs)}</div>
      )}
      {state.readWaitNs !== undefined && (
        <div className="muted small">waited {formatDuration(state.readWaitNs)} to be read</div>
      )}
    </>
  )
}

function Spool({ target: { spool } }: { target: Target }) {
  if (spool.windows === 0 && spool.droppedWindows === 0) return <span className="muted">empty</span>
  return (
    <>
      <div>
        {formatCounted(spool.windows, 'windows')}, {formatBytes(spool.bytes)} of{' '}
        {formatBytes(spool.limitBytes)}
      </div>
      {spool.windows > 0 && (
        <div className="muted small">oldest {formatDuration(Math.round(spool.oldestSeconds) * 1e9)}</div>
      )}
      {spool.droppedWindows > 0 && (
        <div className="bad small">{formatCounted(spool.droppedWindows, 'windows')} dropped</div>
      )}
    </>
  )
}

/** The reason in words and what to do about it, below the row. */
function Trouble({ target, grouped }: { target: Target; grouped: boolean }) {
  const { state, reason, spool } = target
  const lines = [
    reason && {
      label: reason.text,
      code: reason.reason,
      detail: state.detail,
      remedy: grouped ? '' : reason.remedy,
    },
    state.lastError && { label: 'Last error', code: '', detail: state.lastError, remedy: '' },
    spool.lastPushError && { label: 'Last upload failed', code: '', detail: spool.lastPushError, remedy: '' },
  ].filter(line => line !== '' && line !== null)
  if (lines.length === 0) return null
  return (
    <tr className="trouble">
      <td colSpan={COLUMNS}>
        {lines.map(line => (
          <p key={line.label} className="trouble-line">
            <Icon name="warn" className={stateStyle(shownState(target)).tone} />
            <span>
              <strong className="strong">{line.label}</strong>
              {line.detail && <>: {line.detail}</>}.{' '}
              {line.remedy && <span className="muted">{line.remedy}.</span>}{' '}
              {line.code && <code className="muted small">{line.code}</code>}
            </span>
          </p>
        ))}
      </td>
    </tr>
  )
}
