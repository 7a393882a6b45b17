import type { Loss, ProfileType, Service } from '../../api/types'
import { meanRate } from '../../profile/services'
import { formatRate, formatValue, TYPE_LABELS } from '../../profile/units'
import { CoverageBar } from '../../ui/Coverage'
import { Link } from '../../ui/Link'
import { useLive } from '../../ui/live'
import { Sparkline } from '../../ui/Sparkline'
import { STATE_ORDER, StateBadge } from '../../ui/Status'
import { formatAge, formatInstant } from '../../ui/time'
import { linkTo, type UrlState } from '../../url'

/** A service whose last window is older than this many windows is late. */
const LATE_WINDOWS = 3

export function ServiceRow({ url, service }: { url: UrlState; service: Service }) {
  const { cluster, namespace } = service
  const losses = service.losses.filter(loss => !loss.routine)
  const href = linkTo(url, 'profile', { cluster, namespace, service: service.service })
  return (
    <tr className="row-link">
      <th scope="row">
        <Link className="row-target" href={href}>
          {service.service}
        </Link>
        <div className="muted small">
          {[namespace, cluster].filter(Boolean).join(' · ') || 'no namespace'}
          {service.versions.some(Boolean) && ` · ${versionsText(service.versions.filter(Boolean))}`}
        </div>
      </th>
      <td data-label="Targets">
        <div className="badges">
          {STATE_ORDER.filter(state => service.targets[state]).map(state => (
            <StateBadge key={state} state={state} count={service.targets[state]} />
          ))}
        </div>
      </td>
      <td data-label="CPU, mean">
        <Rate service={service} type="cpu" />
      </td>
      <td data-label="Allocation, mean">
        <Rate service={service} type="alloc" />
      </td>
      <td data-label="Windows">
        <CoverageBar windows={service.windows} />
        {losses.length > 0 && <div className="warn small cut loss-line">{lossText(losses)}</div>}
      </td>
      <td className="number" data-label="Last window">
        <LastWindow service={service} />
      </td>
    </tr>
  )
}

function versionsText(versions: string[]): string {
  return versions.length <= 2 ? versions.join(', ') : `${versions.length} versions`
}

function lossText(losses: Loss[]): string {
  const heaviest = losses[0].text
  return losses.length === 1 ? heaviest : `${heaviest} (and ${losses.length - 1} more)`
}

function Rate({ service, type }: { service: Service; type: ProfileType }) {
  const known = service.types.find(t => t.type === type)
  const rate = meanRate(service, type)
  if (!known) return <span className="muted">not recorded</span>
  if (rate === undefined) return <span className="muted">no window stored</span>
  const total = `${formatValue(known.unit, known.total.value)} ${TYPE_LABELS[type].amount} in the range`
  return (
    <div className="rate" title={total}>
      <span className="rate-figure">{formatRate(type, rate)}</span>
      <Sparkline values={known.spark} label={`${TYPE_LABELS[type].tab} over the range: ${total}`} />
    </div>
  )
}

function LastWindow({ service }: { service: Service }) {
  const { now } = useLive()
  if (service.lastWindow === null) return <span className="muted">never</span>
  const end = Date.parse(service.lastWindow)
  const late = now * 1000 - end > LATE_WINDOWS * service.windowSeconds * 1000
  return (
    <span className={late ? 'warn' : ''} title={formatInstant(end)}>
      {formatAge(end, Math.max(now * 1000, end))}
      {late && <span className="small"> (late)</span>}
    </span>
  )
}
