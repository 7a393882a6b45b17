import { useDeferredValue, useMemo, useRef, useState } from 'react'
import { useTop } from '../../api/queries'
import type { FlameView } from '../../flame/view'
import { matchedAmount, matchFunctions, parseQuery } from '../../profile/search'
import { someThreads } from '../../profile/threads'
import { findPath, ROOT } from '../../profile/tree'
import { formatCount, formatPercent, formatValue } from '../../profile/units'
import { NothingInside } from '../../ui/Inside'
import { useHold } from '../../ui/live'
import { change } from '../../ui/location'
import { useNextMatch } from '../../ui/nextMatch'
import { SearchField } from '../../ui/SearchField'
import { type Shortcut, useShortcuts } from '../../ui/shortcuts'
import { pathInside, type UrlState, type View } from '../../url'
import { ExportMenu } from './ExportMenu'
import { FlamePane } from './FlamePane'
import { FrameCard, type Subject } from './FrameCard'
import { Legend } from './Legend'
import { type Model, shownTotal, useChanged, useColors } from './model'
import { namesTo, PathLine } from './PathLine'
import { Sandwich } from './Sandwich'
import { NoThreads } from './Threads'
import { TopPane } from './TopPane'

const VIEWS: readonly (readonly [View, string])[] = [
  ['flame', 'Flame'],
  ['top', 'Top'],
  ['both', 'Both'],
  ['sandwich', 'Sandwich'],
]

/** The graph answers to them itself while it has the focus. */
const GRAPH_KEYS: readonly Shortcut[] = [
  { keys: ['←', '↑', '↓', '→'], label: 'To parent, child and siblings' },
  { keys: ['Enter', '+'], label: 'Zoom into the frame and pin its card' },
  { keys: ['m'], label: 'Pin the card of the frame' },
  { keys: ['-', 'Backspace'], label: 'Zoom out by one frame' },
  { keys: ['0', 'Esc'], label: 'Zoom out to everything' },
]

interface Props {
  url: UrlState
  answered: Model
  range: { from: number; to: number }
  stored?: boolean // in the backend, which can be asked for more; not so a file
}

export function Workspace({ url, answered, range, stored = true }: Props) {
  const model = useChanged(answered, url)
  const { profile, tree, flame } = model
  const view = useRef<FlameView>(null)
  const zoom = useMemo(() => findPath(tree, profile.functions, url.zoom), [tree, profile, url.zoom])
  const search = useDeferredValue(url.search)
  const query = useMemo(() => parseQuery(search), [search])
  const matched = useMemo(
    () => (query.kind === 'valid' ? matchFunctions(profile.functions, query.matches) : undefined),
    [query, profile],
  )
  const selected = useMemo(() => profile.functions.indexOf(url.fn), [profile, url.fn])
  const colors = useColors(profile, url)
  const nextMatch = useNextMatch({ functions: profile.functions, tree, zoom, text: url.search, view })
  const pin = usePin(model, url.fn)
  const showAround = () => {
    const at = pin.node > ROOT ? pin.node : (view.current?.focused ?? -1)
    const fn = at > ROOT ? profile.functions[tree.frame[at]] : url.fn
    if (fn) change({ view: 'sandwich', fn })
  }
  useShortcuts('Flame graph', [
    ...GRAPH_KEYS,
    { keys: ['c'], label: 'Callers and callees of the frame', run: showAround },
  ])
  const [pointing, setPointing] = useState(false)
  useHold(pointing || pin.node >= 0 || url.fn !== '' || zoom !== ROOT)

  const pruned = stored && flame.omitted.nodes > 0 && !model.changed
  const order = url.order === 'total' ? 'total' : 'self'
  const top = useTop(url, range, order, pathInside(url), pruned && url.view !== 'flame')
  const zoomTo = (node: number) => change({ zoom: namesTo(model, node) })
  const pick = (node: number) => {
    pin.set(node)
    if (node !== zoom) zoomTo(node)
  }
  const subject = subjectOf(model, pin.node, url.fn)
  return (
    <section
      className={`workspace card view-${url.view}`}
      aria-label="Profile"
      onPointerEnter={() => setPointing(true)}
      onPointerLeave={() => setPointing(false)}
    >
      <div className="toolbar">
        <div className="segments" role="group" aria-label="View">
          {VIEWS.map(([shown, label]) => (
            <button
              type="button"
              key={shown}
              aria-pressed={shown === url.view}
              onClick={() => change({ view: shown }, true)}
            >
              {label}
            </button>
          ))}
        </div>
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
          {matched && <MatchText model={model} matched={matched} zoom={zoom} alone={url.inside > 0} />}
        </span>
        <span className="spacer" />
        <ExportMenu url={url} range={range} model={model} zoom={zoom} stored={stored} view={view} />
      </div>
      <PathLine url={url} model={model} zoom={zoom} stored={stored} />
      {answered.tree.size <= 1 && url.inside > 0 ? (
        <NothingInside />
      ) : answered.tree.size <= 1 && someThreads(url) ? (
        <NoThreads url={url} />
      ) : shownTotal(model) === 0 && model.changed ? (
        <FiltersLeaveNothing />
      ) : (
        <div className="panes">
          {(url.view === 'flame' || url.view === 'both') && (
            <FlamePane
              model={model}
              label="Flame graph"
              zoom={zoom}
              matched={matched}
              selected={selected}
              pinned={pin.node}
              colors={colors}
              upward={url.upward}
              view={view}
              onPick={pick}
              onPin={pin.set}
              onZoom={zoomTo}
            />
          )}
          {url.view === 'sandwich' && <Sandwich url={url} model={model} range={range} exact={stored} />}
          {url.view !== 'flame' && (
            <TopPane
              model={model}
              matches={query.kind === 'valid' ? query.matches : undefined}
              selected={url.fn}
              pinned={pin.node > ROOT ? profile.functions[tree.frame[pin.node]] : ''}
              url={url}
              exact={pruned ? top : undefined}
            />
          )}
        </div>
      )}
      {subject && (
        <FrameCard
          url={url}
          subject={subject}
          stored={stored}
          onClose={() => {
            if (pin.node > ROOT) pin.set(-1)
            else change({ fn: '' }, true)
          }}
        />
      )}
      <div className="flame-foot">
        <Legend model={model} url={url} />
        <button
          type="button"
          className="button text small"
          aria-pressed={url.upward}
          title="Whether the graph grows down from its root, as icicles do, or up, as flames do"
          onClick={() => change({ upward: !url.upward }, true)}
        >
          {url.upward ? 'Root on top' : 'Root at the bottom'}
        </button>
      </div>
    </section>
  )
}

/** The card is about the pinned frame; without one, about the function that is chosen in the table. */
function subjectOf(model: Model, pinned: number, fn: string): Subject | undefined {
  const { tree, profile } = model
  if (pinned > ROOT) return { model, node: pinned, fn: profile.functions[tree.frame[pinned]] }
  return fn === '' ? undefined : { model, node: -1, fn }
}

/** A pinned frame survives new data, as long as its path of names exists; a function chosen after it takes its place. */
function usePin(model: Model, fn: string): { node: number; set(node: number): void } {
  const [names, setNames] = useState<string[]>()
  const [chosen, setChosen] = useState(fn)
  if (chosen !== fn) {
    setChosen(fn)
    if (fn !== '') setNames(undefined)
  }
  const { tree, profile } = model
  const node = useMemo(() => {
    if (!names) return -1
    const found = findPath(tree, profile.functions, names)
    return tree.depth[found] === names.length ? found : -1
  }, [tree, profile, names])
  return { node, set: next => setNames(next > ROOT ? namesTo(model, next) : undefined) }
}

function FiltersLeaveNothing() {
  return (
    <div className="empty">
      <h2>No stack passes the filters</h2>
      <p>Take back one of the filters above, or all of them.</p>
      <div className="actions">
        <button type="button" className="button" onClick={() => change({ steps: [], fold: [], zoom: [] })}>
          Take back all
        </button>
      </div>
    </div>
  )
}

interface MatchProps {
  model: Model
  matched: Uint8Array
  zoom: number
  alone: boolean // the tree is of the zoomed frame alone, so matches elsewhere are not known
}

function MatchText({ model, matched, zoom, alone }: MatchProps) {
  const { tree, flame } = model
  const all = useMemo(() => matchedAmount(tree, matched, ROOT), [tree, matched])
  const visible = useMemo(() => matchedAmount(tree, matched, zoom), [tree, matched, zoom])
  if (all.nodes === 0) return <span className="warn">No function matches</span>
  const total = flame.total.value
  return (
    <>
      {!alone && (
        <>
          <span className="strong">{formatPercent(all.value, total)}</span> of{' '}
          {formatValue(flame.unit, total)} total
        </>
      )}
      {zoom !== ROOT && (
        <>
          {!alone && ', '}
          <span className="strong">{formatPercent(visible.value, tree.total[zoom])}</span> of{' '}
          {formatValue(flame.unit, tree.total[zoom])} zoomed
        </>
      )}
      <span className="muted">
        {' '}
        in {formatCount(visible.nodes)} {visible.nodes === 1 ? 'frame' : 'frames'}
      </span>
    </>
  )
}
