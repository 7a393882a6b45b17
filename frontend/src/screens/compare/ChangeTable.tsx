import { useMemo, useRef } from 'react'
import type { Diff } from '../../api/types'
import {
  type ChangeRow,
  type Comparison,
  changeRows,
  emptySide,
  type SideName,
  sortChanges,
} from '../../profile/compare'
import { splitName } from '../../profile/names'
import { formatCounted, formatPercent } from '../../profile/units'
import { change } from '../../ui/location'
import { SortHead } from '../../ui/SortHead'
import { useNarrow } from '../../ui/width'
import { Filler, useWindowedRows } from '../../ui/windowed'
import type { UrlState } from '../../url'
import { type Column, columnFor } from './column'
import { differenceText, LETTERS } from './words'

const ROW_HEIGHT = 40
/** The figures below the name. */
const TWO_LINES = 50
const COLUMNS = 4

interface Props {
  url: UrlState
  diff: Diff
  comparison: Comparison
  matches: ((name: string) => boolean) | undefined
}

/** Which functions cost more and which less, by self or total. */
export function ChangeTable({ url, diff, comparison, matches }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const measure = url.order === 'total' ? 'total' : 'self'
  const rows = useMemo(() => changeRows(comparison), [comparison])
  const shown = useMemo(
    () => sortChanges(matches ? rows.filter(row => matches(row.name)) : rows, measure, url.ascending),
    [rows, matches, measure, url.ascending],
  )
  const rowHeight = useNarrow() ? TWO_LINES : ROW_HEIGHT
  const { first, last } = useWindowedRows(host, shown.length, rowHeight)
  const empty = emptySide(comparison)
  const countUnit = comparison.byCount ? diff.countUnit : undefined
  const most = useMemo(() => mostOf(rows, measure), [rows, measure])
  const column = columnFor(diff.type, url.scale, countUnit, most.amount)
  return (
    <div className="change-pane">
      <div className="change-tools">
        <div className="segments" role="group" aria-label="Measure">
          {(['self', 'total'] as const).map(m => (
            <button
              type="button"
              key={m}
              aria-pressed={m === measure}
              onClick={() => change({ order: m }, true)}
            >
              {m === 'self' ? 'Self' : 'Total'}
            </button>
          ))}
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <div className="top-host" ref={host} tabIndex={0} role="region" aria-label="Changed functions">
        <table className="changes" aria-rowcount={shown.length + 1}>
          <thead>
            <tr>
              <th scope="col">Function</th>
              <th scope="col" className="number">
                A, {column.unit}
              </th>
              <th scope="col" className="number">
                B, {column.unit}
              </th>
              <SortHead
                label="Change"
                sort={url.ascending ? 'ascending' : 'descending'}
                className="number"
                title={`What costs ${url.ascending ? 'less' : 'more'} on B stands first; a click turns it round`}
                onSort={() => change({ ascending: !url.ascending }, true)}
              />
            </tr>
          </thead>
          <tbody>
            <Filler rows={first} rowHeight={rowHeight} columns={COLUMNS} />
            {shown.slice(first, last).map((row, i) => (
              <Row
                key={`${row.name}/${row.kind}`}
                row={row}
                index={first + i + 2}
                measure={measure}
                most={most.difference}
                selected={row.name === url.fn}
                column={column}
                empty={empty}
              />
            ))}
            <Filler rows={shown.length - last} rowHeight={rowHeight} columns={COLUMNS} />
          </tbody>
        </table>
        {shown.length === 0 && (
          <p className="top-none muted">
            {matches
              ? 'No function matches the search.'
              : 'All that was sampled here ends in frames that are left out.'}
          </p>
        )}
      </div>
      <p className="top-foot muted small">
        {formatCounted(shown.length, 'functions')}
        {url.inside > 0 && ' of the zoomed frame'},{' '}
        {url.scale === 'rate' ? 'of a target per second recorded' : 'as shares of A and B'}
        {empty ? `; ${LETTERS[empty]} has nothing to compare` : '; grey: not told from chance'}
      </p>
    </div>
  )
}

interface RowProps {
  row: ChangeRow
  index: number
  measure: 'self' | 'total'
  most: number
  selected: boolean
  column: Column
  empty: SideName | undefined // it has nothing to compare to
}

function Row({ row, index, measure, most, selected, column, empty }: RowProps) {
  const { base, head, noise } = row[measure]
  const { scope, short } = splitName(row.name, row.kind)
  const difference = head - base
  const select = () => change({ fn: selected ? '' : row.name }, true)
  const tone = noise ? 'same' : difference > 0 ? 'more' : 'less'
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
          <span className="cut">
            {short}
            {scope && <span className="muted scope"> {scope.slice(0, -1)}</span>}
          </span>
        </button>
      </th>
      <td className="number">{base > 0 ? column.format(base) : '–'}</td>
      <td className="number">{head > 0 ? column.format(head) : '–'}</td>
      <td className={`number change ${tone}`}>
        <span
          className="bar"
          style={{ width: empty ? 0 : `${(100 * Math.abs(difference)) / most}%` }}
          aria-hidden="true"
        />
        <span className="change-value">{empty ? '–' : signed(difference, column)}</span>
        {!empty && (
          <span className="muted small">{differenceText(base, head, share => formatPercent(share, 1))}</span>
        )}
      </td>
    </tr>
  )
}

function signed(difference: number, { format }: Column): string {
  const amount = format(Math.abs(difference))
  if (amount === format(0)) return '0'
  return `${difference > 0 ? '+' : '−'}${amount}`
}

function mostOf(rows: ChangeRow[], measure: 'self' | 'total') {
  let amount = 0
  let difference = Number.MIN_VALUE
  for (const { [measure]: pair } of rows) {
    amount = Math.max(amount, pair.base, pair.head)
    difference = Math.max(difference, Math.abs(pair.head - pair.base))
  }
  return { amount, difference }
}
