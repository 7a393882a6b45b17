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
        <span className="fn-name">{short}</span>
        <div className="muted small">{scope ? scope.slice(0, -1) : row.kind}</div>
      </th>
      <td className="number of-self" data-label="Self" data-short="self">
        {formatValue(answer.unit, row.self.value)}
      </td>
      <td className="of-self-share" data-label="Self, %">
        <ShareBar value={row.self.value} whole={answer.total.value} />
      </td>
      {money !== undefined && (
        <td className="number of-money" data-label="Self, a month">
          {money}
        </td>
      )}
      <td className="of-total" data-label="Total, %" data-short="total">
        <ShareBar value={row.total.value} whole={answer.total.value} />
      </td>
      <td className="number of-services" data-label="Services">
        {formatCount(row.services)}
      </td>
      <td className="of-most" data-label="Most of it in">
        <Link href={href}>{service}</Link>
        <span className="muted small"> {namespace}</span>
      </td>
    </tr>
  )
}
