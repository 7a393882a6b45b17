import { memo } from 'react'
import type { Theme } from '../../flame/colors'
import { splitName } from '../../profile/names'
import type { TopRow } from '../../profile/top'
import { formatScaled, formatShare, type Scale } from '../../profile/units'
import { change } from '../../ui/location'
import type { Coloring } from '../../url'
import { Swatch } from './Legend'

interface Props {
  row: TopRow
  index: number
  scales: { self: Scale; total: Scale }
  whole: number
  theme: Theme
  coloring: Coloring
  selected: boolean
  pinned: boolean
}

/** A click on the row selects its function, in the flame graph too; another click lets it go. */
export const TopRowView = memo(function TopRowView(props: Props) {
  const { row, index, scales, whole, theme, coloring, selected, pinned } = props
  const { scope, short } = splitName(row.name, row.kind)
  const select = () => change({ fn: selected ? '' : row.name }, true)
  return (
    <tr className={selected ? 'selected' : pinned ? 'pinned' : ''} aria-rowindex={index} onClick={select}>
      <th scope="row" title={row.name}>
        <button
          type="button"
          aria-pressed={selected}
          onClick={event => {
            event.stopPropagation()
            select()
          }}
        >
          <Swatch name={row.name} kind={row.kind} theme={theme} coloring={coloring} />
          <span className="cut">
            {short}
            {scope && <span className="muted"> {scope.slice(0, -1)}</span>}
          </span>
        </button>
      </th>
      <AmountCells value={row.self} scale={scales.self} whole={whole} />
      <AmountCells value={row.total} scale={scales.total} whole={whole} />
    </tr>
  )
})

function AmountCells({ value, scale, whole }: { value: number; scale: Scale; whole: number }) {
  const share = whole > 0 ? (100 * value) / whole : 0
  return (
    <>
      <td className="number amount-value">{formatScaled(scale, value)}</td>
      <td className="number amount-share">
        <span className="bar" style={{ width: `${share}%` }} aria-hidden="true" />
        <span className="over-bar">{formatShare(value, whole)}</span>
      </td>
    </>
  )
}
