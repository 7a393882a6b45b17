import type { ReactNode } from 'react'
import type { Loss, ProfileType, Target } from '../../api/types'
import type { Emptiness } from '../../profile/emptiness'
import { shownState, targetName } from '../../profile/targets'
import { formatCount, TYPE_LABELS, unitOf } from '../../profile/units'
import { Empty } from '../../ui/Empty'
import { Link } from '../../ui/Link'
import { change } from '../../ui/location'
import { StateBadge } from '../../ui/Status'
import { formatInstant } from '../../ui/time'
import { FILTERS, linkTo, type UrlState } from '../../url'
import { LossList } from './LossList'

const IDLE: Record<ProfileType, string> = {
  cpu: 'The JVMs were profiled and used no CPU time that a sample could catch.',
  alloc: 'The JVMs were profiled and allocated less than one sampling interval.',
  lock: 'The JVMs were profiled and no thread waited for a lock longer than the threshold.',
  wall: 'The JVMs were profiled and no thread was sampled.',
  live: 'The JVMs were profiled and no sampled object is known to have survived a garbage collection.',
  nativemem: 'The JVMs were profiled and allocated less native memory than one sampling interval.',
  nativelock: 'The JVMs were profiled and no thread waited for a native lock longer than the threshold.',
}

interface Props {
  emptiness: Emptiness
  type: ProfileType
  url: UrlState
}

export function WhyEmpty({ emptiness, type, url }: Props) {
  const targets = (
    <Link className="button" href={linkTo(url, 'targets', serviceOf(url))}>
      Look at the targets
    </Link>
  )
  switch (emptiness.why) {
    case 'idle':
      return (
        <Empty
          icon="idle"
          title={`Idle: no ${TYPE_LABELS[type].tab} samples in ${windows(emptiness.windows)}`}
        >
          <p>{IDLE[type]} Nothing is missing: all of it was recorded.</p>
        </Empty>
      )
    case 'not_recorded':
      return (
        <Empty icon="skip" title={`${TYPE_LABELS[type].tab} is not recorded here`} actions={targets}>
          <p>
            {emptiness.events.length > 0 && `The targets record ${emptiness.events.join(', ')}. `}Add{' '}
            <code>{type}</code> to the annotation <code>profiling.io/events</code> to record it.
          </p>
        </Empty>
      )
    case 'lost':
      return (
        <Empty
          icon="warn"
          title={`${capitalised(windows(emptiness.lost))} lost, none stored`}
          actions={targets}
        >
          <LossList losses={emptiness.losses} unit={unitOf(type)} countUnit="samples" />
        </Empty>
      )
    case 'pending':
      return (
        <Empty
          icon="wait"
          title={`${capitalised(windows(emptiness.expected))} expected, none has arrived yet`}
          actions={targets}
        >
          <p>
            A window arrives shortly after it ends. If this lasts longer than two windows, the sidecar's spool
            on the targets screen says what keeps it.
          </p>
        </Empty>
      )
    case 'not_profiled':
      return <NotProfiled targets={emptiness.targets} action={targets} />
    case 'no_windows':
      return <NoWindows {...emptiness} url={url} action={targets} />
  }
}

function NotProfiled({ targets, action }: { targets: Target[]; action: ReactNode }) {
  const title =
    targets.length === 1
      ? 'The target is not profiled'
      : `None of ${formatCount(targets.length)} targets is profiled`
  return (
    <Empty icon="conflict" title={title} actions={action}>
      <ul>
        {targets.slice(0, 5).map(target => (
          <li key={target.series}>
            <StateBadge state={shownState(target)} /> {targetName(target)}
            <p>
              {target.reason?.text ?? 'No reason was given'}
              {target.state.detail && `: ${target.state.detail}`}.{' '}
              {target.reason?.remedy && `${target.reason.remedy}.`}
            </p>
          </li>
        ))}
      </ul>
    </Empty>
  )
}

/** Windows are found again by showing the time before the last one. */
const LOOK_BACK_SECONDS = 900

interface NoWindowsProps {
  losses: Loss[]
  lastEnd: number | undefined
  url: UrlState
  action: ReactNode
}

function NoWindows({ losses, lastEnd, url, action }: NoWindowsProps) {
  const to = lastEnd === undefined ? 0 : Math.ceil(lastEnd / 1000)
  const part = [
    ...FILTERS.filter(name => url[name].length > 0).map(name => `${name} ${url[name].join(' or ')}`),
    ...(url.series === '' ? [] : [`target ${url.series}`]),
  ]
  return (
    <Empty
      icon="clock"
      title={
        part.length > 0 ? `This range has no windows of ${part.join(', ')}` : 'This range has no windows'
      }
      actions={
        <>
          {lastEnd !== undefined && (
            <button
              type="button"
              className="button primary"
              onClick={() => change({ range: { kind: 'between', from: to - LOOK_BACK_SECONDS, to } })}
            >
              Show the 15 minutes before {formatInstant(lastEnd)}
            </button>
          )}
          {part.length > 0 && (
            <button
              type="button"
              className="button"
              onClick={() => change({ version: [], pod: [], container: [], node: [], series: '', zoom: [] })}
            >
              Take back the filters
            </button>
          )}
          {action}
        </>
      }
    >
      {losses.length > 0 && (
        <ul>
          {losses.map(loss => (
            <li key={loss.reason}>
              {loss.text}. {loss.remedy && `${loss.remedy}.`}{' '}
              <code className="muted small">{loss.reason}</code>
            </li>
          ))}
        </ul>
      )}
      <p>
        {lastEnd === undefined
          ? 'No target has ever sent a window.'
          : `The last window ended ${formatInstant(lastEnd)}.`}
      </p>
    </Empty>
  )
}

function serviceOf({ cluster, namespace, service }: UrlState) {
  return { cluster, namespace, service }
}

function windows(n: number): string {
  return n === 1 ? 'one window' : `${formatCount(n)} windows`
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
