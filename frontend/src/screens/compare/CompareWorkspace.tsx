import { type RefObject, useDeferredValue, useMemo, useRef } from 'react'
import type { Diff } from '../../api/types'
import { changeSwatch } from '../../flame/diffColors'
import type { FlameView } from '../../flame/view'
import { type Comparison, emptySide, type SideName, sideAlone } from '../../profile/compare'
import { matchedAmount, matchFunctions, parseQuery } from '../../profile/search'
import { findPath, ROOT } from '../../profile/tree'
import { formatCounted, formatPercent } from '../../profile/units'
import { Empty } from '../../ui/Empty'
import { InsideChip, NothingInside, ShowInside } from '../../ui/Inside'
import { change } from '../../ui/location'
import { useNextMatch } from '../../ui/nextMatch'
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
  const { profile, tree } = comparison
  const zoom = useMemo(() => findPath(tree, profile.functions, url.zoom), [tree, profile, url.zoom])
  const matched = useMemo(
    () => (matches ? matchFunctions(profile.functions, matches) : undefined),
    [matches, profile],
  )
  const alone = useMemo(
    () =>
      url.compare === 'sides'
        ? { base: sideAlone(comparison, 'base'), head: sideAlone(comparison, 'head') }
        : undefined,
    [comparison, url.compare],
  )
  const view = useRef<FlameView>(null)
  const first = alone ? alone.base.tree : tree
  const firstZoom = useMemo(() => findPath(first, profile.functions, url.zoom), [first, profile, url.zoom])
  const nextMatch = useNextMatch({
    functions: profile.functions,
    tree: first,
    zoom: firstZoom,
    text: url.search,
    view,
  })
  if (tree.size <= 1) return url.inside > 0 ? <NothingInside /> : <Nothing />
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
          onEnter={(backwards, text) => nextMatch(backwards ? -1 : 1, text)}
        />
        <span className="search-result" role="status">
          {query.kind === 'invalid' && <span className="bad">{query.message}</span>}
          {matched && <MatchText diff={diff} comparison={comparison} matched={matched} />}
        </span>
        {url.zoom.length > 0 && (
          <button type="button" className="button" onClick={() => change({ zoom: [] })}>
            Leave the zoom
          </button>
        )}
        <ShowInside profile={profile} tree={tree} zoom={zoom} />
        {url.inside > 0 && (
          <ul className="chips small" aria-label="Shown alone">
            <InsideChip url={url} profile={profile} />
          </ul>
        )}
      </div>
      <div className={`compare-panes compare-${url.compare}`}>
        <Graphs {...{ url, diff, comparison, matched, alone, view }} />
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

interface MatchProps {
  diff: Diff
  comparison: Comparison
  matched: Uint8Array
}

/** What share of each side the matches have. */
function MatchText({ diff, comparison, matched }: MatchProps) {
  const { tree, byCount } = comparison
  const of = byCount ? 'count' : 'value'
  const [base, head] = useMemo(
    () =>
      [comparison.base, comparison.head].map(({ total, totalCount }) =>
        matchedAmount({ ...comparison.tree, total, totalCount }, matched, ROOT),
      ),
    [comparison, matched],
  )
  const { nodes } = matchedAmount(tree, matched, ROOT)
  if (nodes === 0) return <span className="warn">No function matches</span>
  return (
    <>
      A <span className="strong">{formatPercent(base.value, diff.base.total[of])}</span>, B{' '}
      <span className="strong">{formatPercent(head.value, diff.head.total[of])}</span>
      <span className="muted"> of total, in {formatCounted(nodes, 'frames')}</span>
    </>
  )
}

type Alone = ReturnType<typeof sideAlone>

interface GraphsProps extends Props {
  matched: Uint8Array | undefined
  alone: Record<SideName, Alone> | undefined
  view: RefObject<FlameView | null> // of the first graph
}

function Graphs({ url, diff, comparison, matched, alone, view }: GraphsProps) {
  const empty = emptySide(comparison)
  const words = useMemo(() => wordsFor(diff, comparison, url.scale), [diff, comparison, url.scale])
  const common = { zoom: url.zoom, matched, fn: url.fn }
  if (!alone) {
    const graph = {
      profile: comparison.profile,
      tree: comparison.tree,
      rootLabel: words.root,
      change: comparison.change,
    }
    return (
      <div className="compare-graph">
        <CompareGraph graph={graph} label="Difference" describe={words.node} view={view} {...common} />
        {empty ? <OneSide empty={empty} /> : <Legend />}
      </div>
    )
  }
  return (['base', 'head'] as const).map(name => (
    <div className="compare-graph" key={name}>
      <CompareGraph
        graph={{ ...alone[name], rootLabel: words.side(name, alone[name].tree.total[ROOT]) }}
        label={`Side ${name === 'base' ? 'A' : 'B'}`}
        describe={node => words.alone(name, alone[name], node)}
        view={name === 'base' ? view : undefined}
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
