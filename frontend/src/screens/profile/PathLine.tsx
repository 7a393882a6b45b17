import { GROUP_LABELS } from '../../profile/groups'
import { shortName } from '../../profile/names'
import type { Step, StepKind } from '../../profile/transform'
import { pathTo, ROOT } from '../../profile/tree'
import { formatPercent, formatValue } from '../../profile/units'
import { Chip, countFilters, FilterChips } from '../../ui/FilterChips'
import { InsideChip, ShowInside } from '../../ui/Inside'
import { change } from '../../ui/location'
import { FILTERS, THREAD_FILTERS, type UrlState } from '../../url'
import { type Model, shownTotal } from './model'

/** Of a deep path only the first and the last frames are written out. */
const HEAD = 1
const TAIL = 3
const CHIPS = [...FILTERS, ...THREAD_FILTERS]

export const STEP_LABELS: Record<StepKind, string> = {
  focus: 'Only with',
  hide: 'Hidden',
  remove: 'Without',
  recursion: 'No recursion of',
  library: 'As one',
}

interface Props {
  url: UrlState
  model: Model
  zoom: number
  stored: boolean // in the backend, which can be asked for what the answer has left out
}

/** What is between the answer and the graph: filters and steps that can be taken back, and the way to the zoom. */
export function PathLine({ url, model, zoom, stored }: Props) {
  const { tree, flame, profile } = model
  const of = zoom === ROOT ? shownTotal(model) : tree.total[zoom]
  return (
    <div className="path-line small">
      <Chips url={url} model={model} />
      <nav className="crumbs" aria-label="Zoom">
        {zoom === ROOT ? <span className="muted">all</span> : <Crumbs model={model} zoom={zoom} />}
      </nav>
      <span className="muted nowrap">
        {formatValue(flame.unit, of)}
        {of !== flame.total.value && `, ${formatPercent(of, flame.total.value)} of total`}
      </span>
      {stored && !model.changed && <ShowInside profile={profile} tree={tree} zoom={zoom} />}
      {zoom !== ROOT && (
        <button type="button" className="button text reset" onClick={() => change({ zoom: [] })}>
          Reset <kbd>0</kbd>
        </button>
      )}
    </div>
  )
}

function Chips({ url, model }: { url: UrlState; model: Model }) {
  if (countFilters(url, CHIPS) + url.inside + url.steps.length + url.fold.length === 0) return null
  return (
    <ul className="chips" aria-label="Filters">
      <FilterChips url={url} names={CHIPS} />
      <InsideChip url={url} profile={model.profile} />
      {url.steps.map((step, i) => (
        <Chip
          key={`${step.kind}:${step.name}`}
          label={STEP_LABELS[step.kind]}
          value={stepName(model, step)}
          title={step.name}
          onRemove={() => change({ steps: url.steps.toSpliced(i, 1) })}
        />
      ))}
      {url.fold.map(group => (
        <Chip
          key={group}
          label="Folded"
          value={GROUP_LABELS[group] ?? group}
          onRemove={() => change({ fold: url.fold.filter(other => other !== group) })}
        />
      ))}
      {model.changed && model.flame.omitted.nodes > 0 && (
        <li
          className="warn"
          title="Frames that the limit of nodes cut off are not looked into; “Show more” in the ledger raises it"
        >
          without omitted frames
        </li>
      )}
    </ul>
  )
}

function stepName({ profile }: Model, { kind, name }: Step): string {
  const fn = profile.functions.indexOf(name)
  return kind === 'library' || fn < 0 ? name : shortName(name, profile.kinds[fn])
}

function Crumbs({ model, zoom }: { model: Model; zoom: number }) {
  const { tree, profile } = model
  const path = pathTo(tree, zoom)
  const hidden = path.length - HEAD - TAIL
  const shown = hidden > 1 ? [...path.slice(0, HEAD), undefined, ...path.slice(-TAIL)] : path
  return (
    <>
      <button type="button" className="button text" onClick={() => change({ zoom: [] })}>
        all
      </button>
      {shown.map(node =>
        node === undefined ? (
          <span key="hidden" className="muted">
            {hidden} frames
          </span>
        ) : (
          <Crumb key={node} model={model} node={node} current={node === zoom} />
        ),
      )}
      <span className="sr-only">Zoomed to {profile.functions[tree.frame[zoom]]}</span>
    </>
  )
}

function Crumb({ model, node, current }: { model: Model; node: number; current: boolean }) {
  const { tree, profile } = model
  const fn = tree.frame[node]
  const name = shortName(profile.functions[fn], profile.kinds[fn])
  if (current) {
    return (
      <strong className="cut" title={profile.functions[fn]}>
        {name}
      </strong>
    )
  }
  const zoomHere = () => change({ zoom: namesTo(model, node) })
  return (
    <button type="button" className="button text cut" title={profile.functions[fn]} onClick={zoomHere}>
      {name}
    </button>
  )
}

/** The names that stand in the URL for a node. */
export function namesTo({ tree, profile }: Model, node: number): string[] {
  return pathTo(tree, node).map(n => profile.functions[tree.frame[n]])
}
