import { useMemo, useRef, useState } from 'react'
import { type Between, useAround } from '../../api/queries'
import type { FlameView } from '../../flame/view'
import { calleesOf, callersOf } from '../../profile/around'
import { shortName } from '../../profile/names'
import { buildTree, ROOT } from '../../profile/tree'
import { formatValue } from '../../profile/units'
import { Failure, Loading } from '../../ui/Empty'
import { change } from '../../ui/location'
import type { UrlState } from '../../url'
import { FlamePane } from './FlamePane'
import { type Model, useColors, useModel } from './model'

interface Props {
  url: UrlState
  model: Model
  range: Between
  exact: boolean // the backend has the whole tree
}

/** Who calls a function, above, and what it calls, below. A click on a frame puts that one into the middle. */
export function Sandwich(props: Props) {
  const { url, model } = props
  const fn = model.profile.functions.indexOf(url.fn)
  if (url.fn === '') {
    return (
      <div className="empty">
        <h2>Whose callers and callees?</h2>
        <p>Choose a function in the table, or “Callers and callees” on the card of a frame.</p>
      </div>
    )
  }
  const name = fn < 0 ? url.fn : shortName(url.fn, model.profile.kinds[fn])
  return (
    <div className="sandwich">
      <Side {...props} side="callers" title={`Callers of ${name}`} />
      <Side {...props} side="callees" title={`${name} and what it calls`} />
    </div>
  )
}

/** The function itself: the only child of the root. */
const FIRST = 1

interface SideProps extends Props {
  side: 'callers' | 'callees'
  title: string
}

/** From the backend, which knows what pruning left out of the graph; after steps, from the tree on screen. */
function Side(props: SideProps) {
  const { url, model, range, side, exact } = props
  const ask = exact && !model.changed
  const answer = useAround(url, range, side, url.fn, url.nodes, ask)
  const asked = useModel(answer)
  const local = useMemo(() => (ask ? undefined : around(model, side, url.fn)), [ask, model, side, url.fn])
  const shown = local ?? asked
  if (shown instanceof Error) return <Failure error={shown} onRetry={answer.retry} />
  if (shown) return <Graph {...props} shown={shown} />
  return answer.error ? (
    <Failure error={answer.error} onRetry={answer.retry} />
  ) : (
    <Loading what={`the ${side}`} />
  )
}

function around(model: Model, side: SideProps['side'], name: string): Model {
  const fn = model.profile.functions.indexOf(name)
  const profile = (side === 'callers' ? callersOf : calleesOf)(model.profile, model.tree, fn)
  return { ...model, profile, tree: buildTree(profile) }
}

function Graph({ shown, side, title, url }: SideProps & { shown: Model }) {
  const view = useRef<FlameView>(null)
  const base = shown.tree.size > 1 ? FIRST : ROOT
  const [zoomed, setZoomed] = useState({ model: shown, node: base })
  const zoom = zoomed.model === shown ? zoomed.node : base
  const { tree, profile } = shown
  const colors = useColors(profile, url)
  const center = (node: number) => {
    const name = profile.functions[tree.frame[node]]
    if (name !== undefined && name !== url.fn) change({ fn: name })
  }
  return (
    <section className="sandwich-side" aria-label={title}>
      <h2 className="small">
        {title} <span className="muted">{formatValue(shown.flame.unit, tree.total[ROOT])}</span>
      </h2>
      <FlamePane
        model={shown}
        label={title}
        rootLabel={side === 'callers' ? 'calls' : 'all calls'}
        zoom={zoom}
        matched={undefined}
        selected={-1}
        pinned={-1}
        colors={colors}
        upward={side === 'callers'}
        view={view}
        onPick={center}
        onPin={center}
        onZoom={node => setZoomed({ model: shown, node: Math.max(node, base) })}
        map={false}
      />
    </section>
  )
}
