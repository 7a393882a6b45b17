import { useEffect, useMemo, useRef } from 'react'
import type { Answer } from '../../api/answer'
import type { Amount, Top } from '../../api/types'
import { kindNumber } from '../../profile/decode'
import { sortTop, type TopOrder, type TopRow, topTable } from '../../profile/top'
import { formatCount, formatCounted, formatValue, scaleFor } from '../../profile/units'
import { change } from '../../ui/location'
import { SortHead } from '../../ui/SortHead'
import { useTheme } from '../../ui/theme'
import { useNarrow } from '../../ui/width'
import { Filler, useWindowedRows } from '../../ui/windowed'
import type { UrlState } from '../../url'
import { type Model, shownTotal } from './model'
import { TopRowView } from './TopRowView'

const ROW_HEIGHT = 27
/** The figures below the name. */
const TWO_LINES = 46
const COLUMNS = 5

interface Props {
  model: Model
  matches: ((name: string) => boolean) | undefined
  selected: string
  pinned: string // function of the pinned frame: marked, and nothing moves for it
  url: Pick<UrlState, 'order' | 'ascending' | 'coloring' | 'inside'>
  exact: Answer<Top> | undefined // where the flame graph is pruned: the sums of everything
}

export function TopPane({ model, matches, selected, pinned, url, exact }: Props) {
  const { order, ascending } = url
  const theme = useTheme()
  const host = useRef<HTMLDivElement>(null)
  const rows = useRows(model, exact?.data)
  const shown = useMemo(() => {
    return sortTop(matches ? rows.filter(row => matches(row.name)) : rows, order, ascending)
  }, [rows, matches, order, ascending])
  const rowHeight = useNarrow() ? TWO_LINES : ROW_HEIGHT
  const { first, last, scrollTo } = useWindowedRows(host, shown.length, rowHeight)
  const at = useMemo(() => shown.findIndex(row => row.name === selected), [shown, selected])
  useEffect(() => {
    if (at >= 0) scrollTo(at)
  }, [at, scrollTo])
  const whole = model.flame.total.value
  const unit = model.byCount ? '' : model.flame.unit
  const scales = useMemo(() => {
    const of = (key: 'self' | 'total') =>
      scaleFor(
        unit,
        rows.reduce((most, row) => Math.max(most, row[key]), 0),
      )
    return { self: of('self'), total: of('total') }
  }, [unit, rows])
  return (
    <div className="top-pane">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <div className="top-host" ref={host} tabIndex={0} role="region" aria-label="Functions">
        <table className="top" aria-rowcount={shown.length + 1}>
          <thead>
            <tr>
              <Column order="name" url={url} label="Function" />
              <Column order="self" url={url} label="Self" unit={scales.self.label} />
              <th scope="col" className="number share">
                %
              </th>
              <Column order="total" url={url} label="Total" unit={scales.total.label} />
              <th scope="col" className="number share">
                %
              </th>
            </tr>
          </thead>
          <tbody>
            <Filler rows={first} rowHeight={rowHeight} columns={COLUMNS} />
            {shown.slice(first, last).map((row, i) => (
              <TopRowView
                key={`${row.name}/${row.kind}`}
                row={row}
                index={first + i + 2}
                scales={scales}
                whole={whole}
                coloring={url.coloring}
                pinned={row.name === pinned}
                theme={theme}
                selected={row.name === selected}
              />
            ))}
            <Filler rows={shown.length - last} rowHeight={rowHeight} columns={COLUMNS} />
          </tbody>
        </table>
        {shown.length === 0 && <p className="top-none muted">No function matches the search.</p>}
      </div>
      <p className="top-foot muted small">
        {footText(model, shown.length, rows.length, exact, url.inside > 0)}
      </p>
    </div>
  )
}

/** The sums of the backend where they know more than the tree on screen; else those of the tree. */
function useRows(model: Model, exact: Top | undefined): TopRow[] {
  const { profile, tree, byCount } = model
  return useMemo(() => {
    if (!exact) return topTable(profile, tree)
    const of = (amount: Amount) => (byCount ? amount.count : amount.value)
    const index = new Map(profile.functions.map((name, fn) => [name, fn]))
    return exact.functions.map(f => ({
      fn: index.get(f.name) ?? -1,
      name: f.name,
      kind: kindNumber(f.kind),
      self: of(f.self),
      selfCount: f.self.count,
      total: of(f.total),
      totalCount: f.total.count,
    }))
  }, [profile, tree, byCount, exact])
}

interface ColumnProps {
  order: TopOrder
  url: Props['url']
  label: string
  unit?: string
}

/** A click sorts by the column, another the other way round. */
function Column({ order, url, label, unit }: ColumnProps) {
  const active = order === url.order
  const up = (order === 'name') !== url.ascending
  return (
    <SortHead
      label={label}
      unit={unit}
      sort={active ? (up ? 'ascending' : 'descending') : 'none'}
      className={order === 'name' ? '' : 'number amount-head'}
      onSort={() => change({ order, ascending: active && !url.ascending }, true)}
    />
  )
}

function footText(
  model: Model,
  shown: number,
  all: number,
  exact: Answer<Top> | undefined,
  alone: boolean,
): string {
  const { flame, changed } = model
  const count =
    shown === all
      ? formatCounted(all, 'functions')
      : `${formatCount(shown)} of ${formatCounted(all, 'functions')}`
  const notes = [count, `% of ${formatValue(flame.unit, flame.total.value)} total`]
  if (alone) notes.push('of the zoomed frame alone')
  if (changed) notes.push(`of the ${formatValue(flame.unit, shownTotal(model))} shown`)
  if (exact?.data && exact.data.omitted.functions > 0) {
    notes.push(`${formatCount(exact.data.omitted.functions)} lighter functions left out`)
  }
  if (exact?.error) notes.push('exact sums could not be loaded, frames omitted by pruning are missing')
  else if (exact && !exact.data) notes.push('loading exact sums')
  else if (!exact && flame.omitted.nodes > 0) notes.push('without frames omitted by pruning')
  return notes.join(' · ')
}
