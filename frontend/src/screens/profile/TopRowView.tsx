import { memo } from 'react'
import type { Theme } from '../../flame/colors'
import { splitName } from '../../profile/names'
import type { TopRow } from '../../profile/top'
import { formatPercent, formatValue } from '../../profile/units'
import { change } from '../../ui/location'
import { Swatch } from './Legend'

interface Props {
  row: TopRow
  index: number
  unit: string
  whole: number
  theme: Theme
  selected: boolean
}

/** A click on the row selects its function, in the flame graph too; another click lets it go. */
export const TopRowView = memo(function TopRowView({ row, index, unit, whole, theme, selected }: Props) {
  const { scope, short } = splitName(row.name, row.kind)
  const select = () => change({ fn: selected ? '' : row.name }, true)
  return (
    <tr className={selected ? 'selected' : ''} aria-rowindex={index} onClick={select}>
      <th scope="row" title={row.name}>
        <button
          type="button"
          aria-pressed={selected}
          onClick={event => {
            event.stopPropagation()
            select()
          }}
        >
          <Swatch kind={row.kind} theme={theme} />
          <span className="cut">
            {short}
            {scope && <span className="muted"> {scope.slice(0, -1)}</span>}
          </span>
        </button>
      </th>
      <AmountCell value={row.self} unit={unit} whole={whole} />
      <AmountCell value={row.total} unit={unit} whole={whole} />
    </tr>
  )
})

function AmountCell({ value, unit, whole }: { value: number; unit: string; whole: number }) {
  const share = whole > 0 ? (100 * value) / whole : 0
  return (
    <td className="number amount">
      <span className="bar" style={{ width: `${share}%` }} aria-hidden="true" />
      <span className="amount-value">{formatValue(unit, value)}</span>
      <span className="amount-share">{formatPercent(value, whole)}</span>
    </td>
  )
}
