import { useDeferredValue, useMemo } from 'react'
import { useTop } from '../../api/queries'
import { matchedAmount, matchFunctions, parseQuery } from '../../profile/search'
import { findPath, ROOT } from '../../profile/tree'
import { formatCount, formatPercent, formatValue } from '../../profile/units'
import { change } from '../../ui/location'
import { SearchField } from '../../ui/SearchField'
import type { UrlState, View } from '../../url'
import { Breadcrumbs } from './Breadcrumbs'
import { FlamePane } from './FlamePane'
import type { Model } from './model'
import { TopPane } from './TopPane'

const VIEWS: readonly (readonly [View, string])[] = [
  ['flame', 'Flame'],
  ['top', 'Top'],
  ['both', 'Both'],
]

interface Props {
  url: UrlState
  model: Model
  range: { from: number; to: number }
}

export function Workspace({ url, model, range }: Props) {
  const { profile, tree, flame } = model
  const zoom = useMemo(() => findPath(tree, profile.functions, url.zoom), [tree, profile, url.zoom])
  const search = useDeferredValue(url.search)
  const query = useMemo(() => parseQuery(search), [search])
  const matched = useMemo(
    () => (query.kind === 'valid' ? matchFunctions(profile.functions, query.matches) : undefined),
    [query, profile],
  )
  const selected = useMemo(() => profile.functions.indexOf(url.fn), [profile, url.fn])
  const pruned = flame.omitted.nodes > 0 && zoom === ROOT
  const order = url.order === 'total' ? 'total' : 'self'
  const top = useTop(url, range, order, pruned && url.view !== 'flame')
  return (
    <section className={`workspace card view-${url.view}`} aria-label="Profile">
      <div className="toolbar">
        <div className="segments" role="group" aria-label="View">
          {VIEWS.map(([view, label]) => (
            <button
              type="button"
              key={view}
              aria-pressed={view === url.view}
              onClick={() => change({ view }, true)}
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
        />
        <span className="search-result" role="status">
          {query.kind === 'invalid' && <span className="bad">{query.message}</span>}
          {matched && <MatchText model={model} matched={matched} zoom={zoom} />}
        </span>
      </div>
      <Breadcrumbs model={model} zoom={zoom} />
      <div className="panes">
        {url.view !== 'top' && <FlamePane model={model} zoom={zoom} matched={matched} selected={selected} />}
        {url.view !== 'flame' && (
          <TopPane
            model={model}
            zoom={zoom}
            matches={query.kind === 'valid' ? query.matches : undefined}
            selected={url.fn}
            order={url.order}
            exact={pruned ? top : undefined}
          />
        )}
      </div>
    </section>
  )
}

function MatchText({ model, matched, zoom }: { model: Model; matched: Uint8Array; zoom: number }) {
  const { tree, flame } = model
  const all = useMemo(() => matchedAmount(tree, matched, ROOT), [tree, matched])
  const visible = useMemo(() => matchedAmount(tree, matched, zoom), [tree, matched, zoom])
  if (all.nodes === 0) return <span className="warn">No function matches</span>
  const total = flame.total.value
  return (
    <>
      <span className="strong">{formatPercent(all.value, total)}</span> of {formatValue(flame.unit, total)}{' '}
      total
      {zoom !== ROOT && (
        <>
          , <span className="strong">{formatPercent(visible.value, tree.total[zoom])}</span> of{' '}
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
