import { type RefObject, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { type FlameData, FlameView, type Hit } from '../../flame/view'
import { findPath, pathTo, ROOT } from '../../profile/tree'
import { formatCounted } from '../../profile/units'
import { change } from '../../ui/location'
import { useTheme } from '../../ui/theme'
import type { FrameWords } from './frameWords'

interface Props {
  graph: FlameData
  label: string
  zoom: string[]
  matched: Uint8Array | undefined
  fn: string
  describe(node: number): FrameWords
  view?: RefObject<FlameView | null> // for who moves the focus
}

/** One graph of the comparison. A click zooms, in both graphs where there are two: a zoom is a path of names. */
export function CompareGraph({ graph, label, zoom, matched, fn, describe, view: given }: Props) {
  const { profile, tree } = graph
  const host = useRef<HTMLDivElement>(null)
  const own = useRef<FlameView>(null)
  const view = given ?? own
  const latest = useRef(graph)
  const [hit, setHit] = useState<Hit>()
  const [focused, setFocused] = useState(-1)
  const theme = useTheme()
  const at = useMemo(() => findPath(tree, profile.functions, zoom), [tree, profile, zoom])
  const selected = useMemo(() => profile.functions.indexOf(fn), [profile, fn])
  useLayoutEffect(() => {
    if (!host.current) return undefined
    const created = new FlameView(host.current, {
      onHover: setHit,
      onFocus: setFocused,
      onPick: node => pick(latest.current, node),
      onPin: node => pick(latest.current, node),
      onZoom: node => change({ zoom: namesTo(latest.current, node) }),
      onReset: () => change({ zoom: [] }),
    })
    view.current = created
    return () => {
      view.current = null
      created.destroy()
    }
  }, [view])
  useLayoutEffect(
    () => view.current?.setColors({ theme, coloring: 'kind', greyed: undefined }),
    [view, theme],
  )
  // biome-ignore lint/correctness/useExhaustiveDependencies: new data starts at the zoom of the moment; later changes glide
  useLayoutEffect(() => {
    latest.current = graph
    setFocused(-1)
    view.current?.setData(graph, at)
  }, [profile, tree])
  useLayoutEffect(() => view.current?.setZoom(at), [view, at])
  useLayoutEffect(() => view.current?.setMatched(matched), [view, matched])
  useLayoutEffect(() => view.current?.setSelected(selected), [view, selected])
  return (
    <div className="flame-pane">
      <div
        ref={host}
        className="flame-host"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the graph is operated by keyboard
        tabIndex={0}
        role="application"
        aria-label={`${label}: ${graph.rootLabel}. The table of functions holds the same figures.`}
        aria-keyshortcuts="?"
      />
      {hit && hit.node < tree.size && <Tip hit={hit} words={describe(hit.node)} />}
      <output className={focused >= 0 ? 'focus-line small' : 'sr-only'} aria-live="polite">
        {focused >= 0 && focused < tree.size && spoken(describe(focused))}
      </output>
    </div>
  )
}

function pick(data: FlameData, node: number) {
  const { profile, tree } = data
  change({ zoom: namesTo(data, node), fn: node === ROOT ? '' : profile.functions[tree.frame[node]] })
}

function namesTo({ profile, tree }: FlameData, node: number): string[] {
  return pathTo(tree, node).map(n => profile.functions[tree.frame[n]])
}

function spoken({ title, scope, rows, note }: FrameWords): string {
  const name = scope ? `${scope}.${title}` : title
  return [name, ...rows.map(r => `${r.name.toLowerCase()} ${r.figures.join(', ')}`), note].join(' · ')
}

const OFFSET = 14

/** Follows the pointer and stays inside of the window. */
function Tip({ hit, words }: { hit: Hit; words: FrameWords }) {
  const ref = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const tip = ref.current
    if (!tip) return
    const { width, height } = tip.getBoundingClientRect()
    const right = hit.x + OFFSET + width <= window.innerWidth
    const below = hit.y + OFFSET + height <= window.innerHeight
    tip.style.left = `${right ? hit.x + OFFSET : Math.max(hit.x - OFFSET - width, 4)}px`
    tip.style.top = `${below ? hit.y + OFFSET : Math.max(hit.y - OFFSET - height, 4)}px`
  }, [hit])
  return (
    <div ref={ref} className="tooltip" aria-hidden="true">
      <div className="tooltip-title">
        {hit.hidden > 0
          ? `${formatCounted(hit.hidden, 'frames')} too narrow to draw, the heaviest: ${words.title}`
          : words.title}
      </div>
      {words.scope && <div className="muted tooltip-scope">{words.scope}</div>}
      <table>
        <tbody>
          {words.rows.map(row => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              {row.figures.map(figure => (
                <td className="number" key={figure}>
                  {figure}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {words.note && <div className="muted small">{words.note}</div>}
    </div>
  )
}
