import type { Loss, ProfileType, Regression, Service } from '../../api/types'
import { alarming, lastWindowIsLate, meanRate } from '../../profile/services'
import {
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatValue,
  TYPE_LABELS,
} from '../../profile/units'
import { CoverageBar } from '../../ui/Coverage'
import { Link } from '../../ui/Link'
import { useLive } from '../../ui/live'
import { Sparkline } from '../../ui/Sparkline'
import { STATE_ORDER, StateBadge } from '../../ui/Status'
import { formatAge, formatInstant } from '../../ui/time'
import { linkTo, type UrlState } from '../../url'
import { VerdictLink } from '../changes/VersionVerdict'

interface Props {
  url: UrlState
  service: Service
  verdict: Regression | undefined
  fleet: Partial<Record<ProfileType, number>> // per second, of all services together
  until: number // end of the range, Unix ms
}

export function ServiceRow({ url, service, verdict, fleet, until }: Props) {
  const { cluster, namespace } = service
  const losses = alarming(service)
  const of = { cluster, namespace, service: service.service }
  const href = linkTo(url, 'profile', of)
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
        {verdict && <VerdictLink url={url} verdict={verdict} />}
      </th>
      <td data-label="Targets" className="of-targets">
        <div className="badges">
          {STATE_ORDER.filter(state => service.targets[state]).map(state => (
            <StateBadge key={state} state={state} count={service.targets[state]} />
          ))}
        </div>
      </td>
      <td data-label="CPU, mean" className="of-cpu">
        <Rate service={service} type="cpu" whole={fleet.cpu} />
      </td>
      <td data-label="Allocation, mean" className="of-alloc">
        <Rate service={service} type="alloc" whole={fleet.alloc} />
      </td>
      <td data-label="Windows" className="of-windows">
        <CoverageBar windows={service.windows} />
        {losses.length > 0 && (
          <div className="warn small cut loss-line" title={losses.map(({ text }) => text).join('\n')}>
            {lossText(losses)}
          </div>
        )}
      </td>
      <td className="number of-last" data-label="Last window ended">
        <LastWindow service={service} until={until} />
      </td>
      <td className="of-links">
        <div className="row-links">
          <Link href={linkTo(url, 'changes', of)} aria-label={`What changed in ${service.service}`}>
            What changed
          </Link>
          <Link href={linkTo(url, 'compare', of)} aria-label={`Compare ${service.service}`}>
            Compare
          </Link>
        </div>
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

function Rate({ service, type, whole }: { service: Service; type: ProfileType; whole?: number }) {
  const known = service.types.find(t => t.type === type)
  const rate = meanRate(service, type)
  if (!known) {
    return <span className="muted">{service.windows.stored > 0 ? 'not recorded' : 'no window stored'}</span>
  }
  if (rate === undefined) {
    return <span className="muted">{known.total.count > 0 ? 'value not known' : 'no window stored'}</span>
  }
  const recorded = formatDuration(Math.round(known.recordedSeconds) * 1e9)
  const least = known.unvalued > 0 ? '≥ ' : ''
  const total = `${least}${formatValue(known.unit, known.total.value)} ${TYPE_LABELS[type].amount} in ${recorded} recorded`
  const unvalued = `; ${formatCount(known.unvalued)} of ${formatCount(known.total.count)} samples have no known value`
  return (
    <div className="rate" title={least ? total + unvalued : total}>
      <span className="rate-figure">
        {least}
        {formatRate(type, rate)}
        {whole !== undefined && (
          <span className="muted small share">
            {formatPercent(rate, whole)}
            <span className="of-all"> of all</span>
          </span>
        )}
      </span>
      <Sparkline values={known.spark} label={`${TYPE_LABELS[type].tab} over the range: ${total}`} />
    </div>
  )
}

function LastWindow({ service, until }: Pick<Props, 'service' | 'until'>) {
  const { now } = useLive()
  if (service.lastWindowEnd === null) return <span className="muted">none in this range</span>
  const end = Date.parse(service.lastWindowEnd)
  const late = lastWindowIsLate(service, Math.min(now * 1000, until))
  return (
    <div className={late ? 'warn' : ''} title={formatInstant(end)}>
      {formatAge(end, Math.max(now * 1000, end))}
      {late && <div className="small">late</div>}
    </div>
  )
}
