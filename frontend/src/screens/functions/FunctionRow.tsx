import type { FleetFunction, FleetTop } from '../../api/types'
import { kindNumber } from '../../profile/decode'
import { moneyOf } from '../../profile/fleet'
import { splitName } from '../../profile/names'
import { formatCount, formatValue } from '../../profile/units'
import { Link } from '../../ui/Link'
import { ShareBar } from '../../ui/ShareBar'
import { linkTo, type UrlState } from '../../url'

export function FunctionRow({ url, answer, row }: { url: UrlState; answer: FleetTop; row: FleetFunction }) {
  const { short, scope } = splitName(row.name, kindNumber(row.kind))
  const { cluster, namespace, service } = row.most
  const money = moneyOf(answer, row.self.value)
  const href = linkTo(url, 'profile', { cluster, namespace, service, type: url.type, fn: row.name })
  return (
    <tr>
      <th scope="row" title={row.name}>
        {short}
        <div className="muted small">{scope ? scope.slice(0, -1) : row.kind}</div>
      </th>
      <td className="number" data-label="Self">
        {formatValue(answer.unit, row.self.value)}
      </td>
      <td data-label="Self, %">
        <ShareBar value={row.self.value} whole={answer.total.value} />
      </td>
      {money !== undefined && (
        <td className="number" data-label="Self, a month">
          {money}
        </td>
      )}
      <td data-label="Total, %">
        <ShareBar value={row.total.value} whole={answer.total.value} />
      </td>
      <td className="number" data-label="Services">
        {formatCount(row.services)}
      </td>
      <td data-label="Most of it in">
        <Link href={href}>{service}</Link>
        <span className="muted small"> {namespace}</span>
      </td>
    </tr>
  )
}
