import { shortName } from '../../profile/names'
import { pathTo, ROOT } from '../../profile/tree'
import { formatPercent, formatValue } from '../../profile/units'
import { change } from '../../ui/location'
import type { Model } from './model'

/** Of a deep path only the first and the last frames are written out. */
const HEAD = 1
const TAIL = 3

/** The way to the zoomed frame; each step goes back to it. */
export function Breadcrumbs({ model, zoom }: { model: Model; zoom: number }) {
  const { tree, profile, flame } = model
  if (zoom === ROOT) return null
  const path = pathTo(tree, zoom)
  const hidden = path.length - HEAD - TAIL
  const shown = hidden > 1 ? [...path.slice(0, HEAD), undefined, ...path.slice(-TAIL)] : path
  return (
    <nav className="crumbs" aria-label="Zoom">
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
      <span className="muted nowrap">
        {formatValue(flame.unit, tree.total[zoom])}, {formatPercent(tree.total[zoom], flame.total.value)} of
        total
      </span>
      <button type="button" className="button text reset" onClick={() => change({ zoom: [] })}>
        Reset <kbd>0</kbd>
      </button>
      <span className="sr-only">Zoomed to {profile.functions[tree.frame[zoom]]}</span>
    </nav>
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
