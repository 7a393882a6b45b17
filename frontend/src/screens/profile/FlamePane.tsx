import { useEffect, useMemo, useRef, useState } from 'react'
import { FlameView, type Hit } from '../../flame/view'
import { matchingNodes } from '../../profile/search'
import { ROOT } from '../../profile/tree'
import { formatValue, TYPE_LABELS } from '../../profile/units'
import { change } from '../../ui/location'
import { isTyping } from '../../ui/SearchField'
import { useTheme } from '../../ui/theme'
import { namesTo } from './Breadcrumbs'
import { FlameTooltip } from './FlameTooltip'
import { describe } from './frameText'
import { Legend } from './Legend'
import type { Model } from './model'

interface Props {
  model: Model
  zoom: number
  matched: Uint8Array | undefined
  selected: number
}

export function FlamePane({ model, zoom, matched, selected }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<FlameView>(null)
  const [hit, setHit] = useState<Hit>()
  const [focused, setFocused] = useState(-1)
  const theme = useTheme()
  const latest = useRef(model)

  useEffect(() => {
    if (!host.current) return undefined
    const created = new FlameView(host.current, {
      onHover: setHit,
      onFocus: setFocused,
      onPick: node => pick(latest.current, node),
      onReset: () => change({ zoom: [] }),
    })
    view.current = created
    return () => created.destroy()
  }, [])
  useEffect(() => view.current?.setTheme(theme), [theme])
  // biome-ignore lint/correctness/useExhaustiveDependencies: new data starts at the zoom of the moment; later changes glide
  useEffect(() => {
    latest.current = model
    setFocused(-1)
    view.current?.setData({ profile: model.profile, tree: model.tree, rootLabel: rootLabel(model) }, zoom)
  }, [model])
  useEffect(() => view.current?.setZoom(zoom), [zoom])
  useEffect(() => view.current?.setMatched(matched), [matched])
  useEffect(() => view.current?.setSelected(selected), [selected])
  useMatchKeys(model, zoom, matched, view)

  return (
    <div className="flame-pane">
      <div
        ref={host}
        className="flame-host"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the graph is operated by keyboard
        tabIndex={0}
        role="application"
        aria-label={`Flame graph of ${rootLabel(model)}. The table of functions holds the same figures.`}
        aria-describedby="flame-keys"
      />
      <FlameTooltip model={model} zoom={zoom} hit={hit} />
      <div className="flame-foot">
        <Legend profile={model.profile} theme={theme} />
        <span id="flame-keys" className="keys muted small">
          <kbd>←↑↓→</kbd> move <kbd>Enter</kbd> zoom <kbd>0</kbd> reset <kbd>/</kbd> search <kbd>n</kbd> next
          match
        </span>
      </div>
      <output className="focus-line small" aria-live="polite">
        {focused >= 0 && describe(model, focused, zoom)}
      </output>
    </div>
  )
}

function rootLabel({ flame }: Model): string {
  return `all: ${formatValue(flame.unit, flame.total.value)} ${TYPE_LABELS[flame.type].amount}`
}

function pick(model: Model, node: number) {
  const fn = model.tree.frame[node]
  change({ zoom: namesTo(model, node), fn: node === ROOT ? '' : model.profile.functions[fn] })
}

/** n and N go through the matches in reading order. */
function useMatchKeys(
  model: Model,
  zoom: number,
  matched: Uint8Array | undefined,
  view: React.RefObject<FlameView | null>,
) {
  const nodes = useMemo(
    () => (matched ? matchingNodes(model.tree, matched, zoom) : undefined),
    [model, matched, zoom],
  )
  useEffect(() => {
    if (!nodes || nodes.length === 0) return undefined
    const onKey = (event: KeyboardEvent) => {
      const step = { n: 1, N: -1 }[event.key]
      const current = view.current
      if (step === undefined || !current || isTyping(event.target) || event.ctrlKey || event.metaKey) return
      const at = nodes.indexOf(current.focused)
      const next = at < 0 ? (step > 0 ? 0 : nodes.length - 1) : (at + step + nodes.length) % nodes.length
      current.focus(nodes[next])
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [nodes, view])
}
