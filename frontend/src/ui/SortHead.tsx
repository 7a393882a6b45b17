interface Props {
  label: string
  unit?: string
  sort: 'ascending' | 'descending' | 'none'
  className?: string
  title?: string
  onSort(): void
}

/** The head of a column by which a table is sorted at a click. */
export function SortHead({ label, unit = '', sort, className, title, onSort }: Props) {
  const arrow = { ascending: ' ↑', descending: ' ↓', none: '' }[sort]
  return (
    <th scope="col" aria-sort={sort} className={className}>
      <button type="button" title={title} onClick={onSort}>
        {label}
        {unit && <span className="muted">, {unit}</span>}
        <span aria-hidden="true">{arrow}</span>
      </button>
    </th>
  )
}
