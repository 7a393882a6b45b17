import { useEffect, useMemo, useRef } from 'react'
import type { Answer } from '../../api/answer'
import type { Top } from '../../api/types'
import { kindNumber } from '../../profile/decode'
import { sortTop, type TopOrder, type TopRow, topTable } from '../../profile/top'
import { ROOT } from '../../profile/tree'
import { formatCount, formatValue } from '../../profile/units'
import { change } from '../../ui/location'
import { useTheme } from '../../ui/theme'
import { useWindowedRows } from '../../ui/windowed'
import type { Model } from './model'
import { TopRowView } from './TopRowView'

const ROW_HEIGHT = 27

interface Props {
  model: Model
  zoom: number
  matches: ((name: string) => boolean) | undefined
  selected: string
  order: TopOrder
  exact: Answer<Top> | undefined // where the flame graph is pruned: the sums of everything
}

export function TopPane({ model, zoom, matches, selected, order, exact }: Props) {
  const theme = useTheme()
  const host = useRef<HTMLDivElement>(null)
  const rows = useRows(model, zoom, exact?.data)
  const shown = useMemo(() => {
    return sortTop(matches ? rows.filter(row => matches(row.name)) : rows, order)
  }, [rows, matches, order])
  const { first, last, scrollTo } = useWindowedRows(host, shown.length, ROW_HEIGHT)
  const at = useMemo(() => shown.findIndex(row => row.name === selected), [shown, selected])
  useEffect(() => {
    if (at >= 0) scrollTo(at)
  }, [at, scrollTo])
  const whole = model.tree.total[zoom]
  return (
    <div className="top-pane">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <div className="top-host" ref={host} tabIndex={0} role="region" aria-label="Functions">
        <table className="top" aria-rowcount={shown.length + 1}>
          <thead>
            <tr>
              <Column order="name" current={order} label="Function" />
              <Column order="self" current={order} label="Self" />
              <Column order="total" current={order} label="Total" />
            </tr>
          </thead>
          <tbody>
            <Filler rows={first} />
            {shown.slice(first, last).map((row, i) => (
              <TopRowView
                key={`${row.name}/${row.kind}`}
                row={row}
                index={first + i + 2}
                unit={model.flame.unit}
                whole={whole}
                theme={theme}
                selected={row.name === selected}
              />
            ))}
            <Filler rows={shown.length - last} />
          </tbody>
        </table>
        {shown.length === 0 && <p className="top-none muted">No function matches the search.</p>}
      </div>
      <p className="top-foot muted small">{footText(model, zoom, shown.length, rows.length, exact)}</p>
    </div>
  )
}

/** The sums of the backend where they know more than the tree on screen; else those of the tree. */
function useRows(model: Model, zoom: number, exact: Top | undefined): TopRow[] {
  const { profile, tree } = model
  return useMemo(() => {
    if (!exact) return topTable(profile, tree, zoom)
    const index = new Map(profile.functions.map((name, fn) => [name, fn]))
    return exact.functions.map(f => ({
      fn: index.get(f.name) ?? -1,
      name: f.name,
      kind: kindNumber(f.kind),
      self: f.self.value,
      selfCount: f.self.count,
      total: f.total.value,
      totalCount: f.total.count,
    }))
  }, [profile, tree, zoom, exact])
}

function Column({ order, current, label }: { order: TopOrder; current: TopOrder; label: string }) {
  const active = order === current
  const direction = order === 'name' ? 'ascending' : 'descending'
  return (
    <th scope="col" aria-sort={active ? direction : 'none'} className={order === 'name' ? '' : 'number'}>
      <button type="button" onClick={() => change({ order }, true)}>
        {label}
        <span aria-hidden="true">{active ? (order === 'name' ? ' ↑' : ' ↓') : ''}</span>
      </button>
    </th>
  )
}

function Filler({ rows }: { rows: number }) {
  if (rows <= 0) return null
  return (
    <tr aria-hidden="true">
      <td colSpan={3} style={{ height: rows * ROW_HEIGHT, padding: 0, border: 0 }} />
    </tr>
  )
}

function footText(
  model: Model,
  zoom: number,
  shown: number,
  all: number,
  exact: Answer<Top> | undefined,
): string {
  const { flame, tree } = model
  const count =
    shown === all ? `${formatCount(all)} functions` : `${formatCount(shown)} of ${formatCount(all)} functions`
  const base = `% of ${formatValue(flame.unit, tree.total[zoom])} ${zoom === ROOT ? 'total' : 'zoomed'}`
  const notes = [count, base]
  if (exact?.data && exact.data.omitted.functions > 0) {
    notes.push(`${formatCount(exact.data.omitted.functions)} lighter functions left out`)
  }
  if (exact?.error) notes.push('exact sums could not be loaded, frames omitted by pruning are missing')
  else if (exact && !exact.data) notes.push('loading exact sums')
  else if (!exact && flame.omitted.nodes > 0) notes.push('without frames omitted by pruning')
  return notes.join(' · ')
}
