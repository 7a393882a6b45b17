import { type RefObject, useLayoutEffect, useRef, useState } from 'react'
import type { Colors } from '../../flame/colors'
import { FlameView, type Hit } from '../../flame/view'
import { ROOT } from '../../profile/tree'
import { formatValue } from '../../profile/units'
import { FlameTooltip } from './FlameTooltip'
import { describe } from './frameText'
import { Minimap } from './Minimap'
import { type Model, shownTotal } from './model'

export interface FlameActions {
  onPick(node: number): void
  onPin(node: number): void
  onZoom(node: number): void
}

interface Props extends FlameActions {
  model: Model
  label: string // of the graph, for those who cannot see it
  rootLabel?: string
  zoom: number
  matched: Uint8Array | undefined
  selected: number
  pinned: number
  colors: Colors
  upward: boolean
  view: RefObject<FlameView | null>
  map?: boolean
}

/** A graph with its tooltip; what it says about the keyboard's frame stands below it. */
export function FlamePane(props: Props) {
  const { model, zoom, matched, selected, pinned, colors, upward, view } = props
  const host = useRef<HTMLDivElement>(null)
  const [hit, setHit] = useState<Hit>()
  const [focused, setFocused] = useState(-1)
  const actions = useRef<FlameActions>(props)
  useLayoutEffect(() => {
    actions.current = props
  })
  useLayoutEffect(() => {
    if (!host.current) return undefined
    const created = new FlameView(host.current, {
      onHover: setHit,
      onFocus: setFocused,
      onPick: node => actions.current.onPick(node),
      onPin: node => actions.current.onPin(node),
      onZoom: node => actions.current.onZoom(node),
      onReset: () => actions.current.onZoom(ROOT),
    })
    view.current = created
    return () => {
      view.current = null
      created.destroy()
    }
  }, [view])
  const root = props.rootLabel ?? rootLabel(model)
  useLayoutEffect(() => view.current?.setColors(colors), [view, colors])
  useLayoutEffect(() => view.current?.setUpward(upward), [view, upward])
  // biome-ignore lint/correctness/useExhaustiveDependencies: new data starts at the zoom of the moment; later changes glide
  useLayoutEffect(() => {
    view.current?.setData({ profile: model.profile, tree: model.tree, rootLabel: root }, zoom)
  }, [model])
  useLayoutEffect(() => view.current?.setZoom(zoom), [view, zoom])
  useLayoutEffect(() => view.current?.setMatched(matched), [view, matched])
  useLayoutEffect(() => view.current?.setSelected(selected), [view, selected])
  useLayoutEffect(() => view.current?.setPinned(pinned), [view, pinned])
  const known = focused < model.tree.size ? focused : -1
  return (
    <div className="flame-pane">
      <div className="flame-stage">
        <div
          ref={host}
          className="flame-host"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the graph is operated by keyboard
          tabIndex={0}
          role="application"
          aria-label={`${props.label} of ${root}. The table of functions holds the same figures.`}
          aria-keyshortcuts="?"
        />
        {props.map !== false && (
          <Minimap model={model} zoom={zoom} colors={colors} upward={upward} onZoom={props.onZoom} />
        )}
      </div>
      <FlameTooltip model={model} zoom={zoom} hit={hit} />
      <output className={known < 0 ? 'sr-only' : 'focus-line small'} aria-live="polite">
        {known >= 0 && describe(model, known, zoom)}
      </output>
    </div>
  )
}

function rootLabel(model: Model): string {
  const { flame, amount, byCount, changed } = model
  const total = formatValue(flame.unit, shownTotal(model))
  const what = changed || flame.outside.count > 0 ? 'shown' : 'all'
  return byCount ? `${what}: ${total}, values unknown` : `${what}: ${total} ${amount}`
}
