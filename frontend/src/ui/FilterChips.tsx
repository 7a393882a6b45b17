import type { Filter, ThreadFilter, UrlState } from '../url'
import { Icon } from './Icon'
import { change } from './location'

type Name = Filter | ThreadFilter

export const FILTER_LABELS: Record<Name, string> = {
  version: 'version',
  pod: 'pod',
  container: 'container',
  node: 'node',
  thread: 'thread group',
  excludeThread: 'without thread group',
}

interface Props {
  url: UrlState
  names: readonly Name[]
}

export function countFilters(url: UrlState, names: readonly Name[]): number {
  return names.reduce((n, name) => n + url[name].length, 0)
}

/** What the screen is narrowed to, each of which can be taken back; to stand in a list. */
export function FilterChips({ url, names }: Props) {
  return names.flatMap(name =>
    url[name].map(value => (
      <Chip
        key={`${name} ${value}`}
        label={FILTER_LABELS[name]}
        value={value}
        onRemove={() => change({ [name]: url[name].filter(other => other !== value), zoom: [] })}
      />
    )),
  )
}

/** Nothing where nothing is narrowed. */
export function FilterList({ url, names }: Props) {
  if (countFilters(url, names) === 0) return null
  return (
    <ul className="chips filter-list small" aria-label="Filters">
      <FilterChips url={url} names={names} />
    </ul>
  )
}

interface ChipProps {
  label: string
  value: string
  title?: string
  onRemove(): void
}

export function Chip({ label, value, title = value, onRemove }: ChipProps) {
  return (
    <li className="chip" title={title}>
      <span className="muted">{label}</span> <span className="chip-value">{value}</span>
      <button type="button" aria-label={`Take back: ${label} ${value}`} onClick={onRemove}>
        <Icon name="bad" />
      </button>
    </li>
  )
}
