import { useDeferredValue, useMemo } from 'react'
import type { Diff } from '../../api/types'
import { changeSwatch } from '../../flame/diffColors'
import { type Comparison, emptySide, type SideName, sideAlone } from '../../profile/compare'
import { matchFunctions, parseQuery } from '../../profile/search'
import { ROOT } from '../../profile/tree'
import { Empty } from '../../ui/Empty'
import { change } from '../../ui/location'
import { SearchField } from '../../ui/SearchField'
import { useShortcuts } from '../../ui/shortcuts'
import { useTheme } from '../../ui/theme'
import type { CompareView, Scale, UrlState } from '../../url'
import { ChangeTable } from './ChangeTable'
import { CompareGraph } from './CompareGraph'
import { wordsFor } from './frameWords'
import { LETTERS } from './words'

const VIEWS: readonly (readonly [CompareView, string])[] = [
  ['diff', 'Difference'],
  ['sides', 'Side by side'],
]
const SCALES: readonly (readonly [Scale, string, string])[] = [
  ['rate', 'Per second recorded', 'What a target spends in a second that was recorded'],
  ['share', 'Share of total', 'What part of its side a function takes, however busy the side was'],
]

interface Props {
  url: UrlState
  diff: Diff
  comparison: Comparison
}

export function CompareWorkspace({ url, diff, comparison }: Props) {
  const search = useDeferredValue(url.search)
  const query = useMemo(() => parseQuery(search), [search])
  const matches = query.kind === 'valid' ? query.matches : undefined
  useShortcuts('Compare', [
    {
      keys: ['d'],
      label: 'Difference, or side by side',
      run: () => change({ compare: url.compare === 'diff' ? 'sides' : 'diff' }, true),
    },
    { keys: ['0'], label: 'Leave the zoom', run: () => change({ zoom: [] }) },
    { keys: ['←', '→', '↑', '↓', 'Enter'], label: 'In a graph: move, and zoom' },
  ])
  if (comparison.tree.size <= 1) return <Nothing />
  return (
    <section className="workspace card compare-workspace" aria-label="Comparison">
      <div className="toolbar">
        <Choice
          label="View"
          value={url.compare}
          options={VIEWS.map(([value, text]) => ({ value, text, title: undefined }))}
          onChoose={compare => change({ compare }, true)}
        />
        <Choice
          label="Compare by"
          value={url.scale}
          options={SCALES.map(([value, text, title]) => ({ value, text, title }))}
          onChoose={scale => change({ scale }, true)}
        />
        <SearchField
          value={url.search}
          label="Search functions"
          placeholder="Search, or /regex/"
          invalid={query.kind === 'invalid'}
          onChange={text => change({ search: text }, true)}
        />
        {query.kind === 'invalid' && <span className="bad">{query.message}</span>}
        {url.zoom.length > 0 && (
          <button type="button" className="button" onClick={() => change({ zoom: [] })}>
            Leave the zoom
          </button>
        )}
      </div>
      <div className={`compare-panes compare-${url.compare}`}>
        <Graphs url={url} diff={diff} comparison={comparison} matches={matches} />
        <ChangeTable url={url} diff={diff} comparison={comparison} matches={matches} />
      </div>
    </section>
  )
}

function Nothing() {
  return (
    <Empty icon="idle" title="Neither side has a sample">
      <p>Choose another range, version or type of profile; the cards above say what each side recorded.</p>
    </Empty>
  )
}

interface ChoiceProps<T extends string> {
  label: string
  value: T
  options: { value: T; text: string; title: string | undefined }[]
  onChoose(value: T): void
}

function Choice<T extends string>({ label, value, options, onChoose }: ChoiceProps<T>) {
  return (
    <div className="segments" role="group" aria-label={label}>
      {options.map(option => (
        <button
          type="button"
          key={option.value}
          title={option.title}
          aria-pressed={option.value === value}
          onClick={() => onChoose(option.value)}
        >
          {option.text}
        </button>
      ))}
    </div>
  )
}

type GraphsProps = Props & { matches: ((name: string) => boolean) | undefined }

function Graphs({ url, diff, comparison, matches }: GraphsProps) {
  const { profile } = comparison
  const empty = emptySide(comparison)
  const matched = useMemo(
    () => (matches ? matchFunctions(profile.functions, matches) : undefined),
    [matches, profile],
  )
  const sides = useMemo(
    () =>
      url.compare === 'sides'
        ? { base: sideAlone(comparison, 'base'), head: sideAlone(comparison, 'head') }
        : undefined,
    [comparison, url.compare],
  )
  const words = useMemo(() => wordsFor(diff, comparison, url.scale), [diff, comparison, url.scale])
  const common = { zoom: url.zoom, matched, fn: url.fn }
  if (!sides) {
    const graph = {
      profile: comparison.profile,
      tree: comparison.tree,
      rootLabel: words.root,
      change: comparison.change,
    }
    return (
      <div className="compare-graph">
        <CompareGraph graph={graph} label="Difference" describe={words.node} {...common} />
        {empty ? <OneSide empty={empty} /> : <Legend />}
      </div>
    )
  }
  return (['base', 'head'] as const).map(name => (
    <div className="compare-graph" key={name}>
      <CompareGraph
        graph={{ ...sides[name], rootLabel: words.side(name, sides[name].tree.total[ROOT]) }}
        label={`Side ${name === 'base' ? 'A' : 'B'}`}
        describe={node => words.alone(name, sides[name], node)}
        {...common}
      />
    </div>
  ))
}

/** No colour says anything where there is nothing to compare. */
function OneSide({ empty }: { empty: SideName }) {
  const other = empty === 'base' ? 'head' : 'base'
  return (
    <p className="compare-legend small muted">
      Side {LETTERS[empty]} has nothing to compare: the graph is of {LETTERS[other]} alone, and no frame is
      new or gone.
    </p>
  )
}

const LEGEND: readonly (readonly [number, string])[] = [
  [-1, 'half as much or less'],
  [-0.5, 'less'],
  [0, 'as much, or not told from chance'],
  [0.5, 'more'],
  [1, 'twice as much or more'],
]

function Legend() {
  const theme = useTheme()
  return (
    <ul className="legend small compare-legend" aria-label="Colours: B compared to A">
      {LEGEND.map(([strength, text]) => (
        <li key={text}>
          <svg className="swatch" viewBox="0 0 12 12" aria-hidden="true">
            <rect width="12" height="12" fill={changeSwatch(strength, theme)} />
          </svg>
          {text}
        </li>
      ))}
      <li className="muted">frames are as wide as A and B together</li>
    </ul>
  )
}
