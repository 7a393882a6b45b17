import type { Change, Changes } from '../../api/types'
import { kindNumber } from '../../profile/decode'
import { splitName } from '../../profile/names'
import { formatPercent } from '../../profile/units'
import { Link } from '../../ui/Link'
import { linkTo, type UrlState } from '../../url'
import { baseOf } from './compared'
import { chanceText, confidenceWord, pointsText } from './confidence'

const WIDTH = 160
const HEIGHT = 22

interface Props {
  url: UrlState
  answer: Changes
  shown: Change[]
}

export function ChangeList({ url, answer, shown }: Props) {
  const most = Math.max(...answer.changes.flatMap(c => [Math.abs(c.low), Math.abs(c.high)]))
  return (
    <div className="table-scroll">
      <table className="list compact change-list">
        <thead>
          <tr>
            <th scope="col">Function</th>
            <th scope="col">Of</th>
            <th scope="col" className="number">
              A, % of total
            </th>
            <th scope="col" className="number">
              B, % of total
            </th>
            <th scope="col">Change, points, and its 95 % interval</th>
            <th scope="col">How sure</th>
            <th scope="col">
              <span className="sr-only">Links</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map(c => (
            <Row key={`${c.name} ${c.measure}`} url={url} answer={answer} change={c} most={most} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps {
  url: UrlState
  answer: Changes
  change: Change
  most: number
}

function Row({ url, answer, change: c, most }: RowProps) {
  const { cluster, namespace, service, type, thread, excludeThread } = url
  const { short, scope } = splitName(c.name, kindNumber(c.kind))
  const of = { cluster, namespace, service, type, thread, excludeThread, fn: c.name }
  const comparison = linkTo(url, 'compare', { ...of, ...baseOf(answer), search: c.name, order: c.measure })
  return (
    <tr className="row-link">
      <th scope="row" title={c.name}>
        <Link className="row-target" href={comparison}>
          {short}
        </Link>
        {scope && <div className="muted small">{scope.slice(0, -1)}</div>}
      </th>
      <td className="of-measure" data-label="Of">
        {c.measure}
      </td>
      <td className="number of-a" data-label="A" data-short="A">
        {percent(c.base)}
      </td>
      <td className="number of-b" data-label="B" data-short="B">
        {percent(c.head)}
      </td>
      <td className="of-change" data-label="Change">
        <div className="change-cell">
          <span className="number strong">{pointsText(c.head - c.base)}</span>
          <Interval change={c} most={most} />
          <span className="muted small nowrap of-range">
            {pointsText(c.low)} to {pointsText(c.high)}
          </span>
        </div>
      </td>
      <td className="of-sure" data-label="How sure">
        <span title={`Chance of a change as clear as this without a difference: ${chanceText(c.chance)}`}>
          {confidenceWord(c.chance)}
        </span>
        <div className="muted small nowrap">by chance {chanceText(c.chance)}</div>
      </td>
      <td className="of-links">
        <div className="row-links">
          <Link href={comparison}>Compare</Link>
          <Link href={linkTo(url, 'profile', of)}>Profile</Link>
        </div>
      </td>
    </tr>
  )
}

function percent(share: number): string {
  return formatPercent(share, 1).replace(/\s%$/, '')
}

/** The change as a bar from zero, and the interval as a line over it. */
function Interval({ change: c, most }: { change: Change; most: number }) {
  const x = (points: number) => WIDTH / 2 + (points / most) * (WIDTH / 2 - 2)
  const by = c.head - c.base
  const middle = HEIGHT / 2
  return (
    <svg
      className="interval"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <path className="interval-zero" d={`M${WIDTH / 2} 0V${HEIGHT}`} />
      <rect
        className={by > 0 ? 'interval-more' : 'interval-less'}
        x={Math.min(x(0), x(by))}
        width={Math.abs(x(by) - x(0))}
        y={4}
        height={HEIGHT - 8}
      />
      <path
        className="interval-range"
        d={`M${x(c.low)} ${middle}H${x(c.high)}M${x(c.low)} ${middle - 4}v8M${x(c.high)} ${middle - 4}v8`}
      />
    </svg>
  )
}
