/** Pointer and keyboard of the flame graph. */
import { ROOT, type Tree } from '../profile/tree'
import type { FlameView } from './view'

export function attachInput(host: HTMLElement, view: FlameView, signal: AbortSignal) {
  const options = { signal }
  host.addEventListener(
    'pointermove',
    e => {
      if (e.pointerType !== 'touch') view.callbacks.onHover(view.pointAt(e.clientX, e.clientY))
    },
    options,
  )
  host.addEventListener('pointerleave', () => view.callbacks.onHover(view.pointAt(-1, -1)), options)
  host.addEventListener(
    'contextmenu',
    e => {
      const hit = view.hitAt(e.clientX, e.clientY)
      if (!hit) return
      e.preventDefault()
      view.callbacks.onPin(hit.node)
    },
    options,
  )
  host.addEventListener(
    'click',
    e => {
      const hit = view.hitAt(e.clientX, e.clientY)
      if (hit) view.callbacks.onPick(hit.node)
    },
    options,
  )
  host.addEventListener('keydown', e => onKey(e, view), options)
}

function onKey(event: KeyboardEvent, view: FlameView) {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const navigation = view.navigation
  if (!navigation) return
  const { tree, zoom, upward, visible } = navigation
  if (event.key === 'Enter' && view.focused >= 0) view.callbacks.onPick(view.focused)
  else if (event.key === 'm' && view.focused >= 0) view.callbacks.onPin(view.focused)
  else if (event.key === 'Escape' || event.key === '0') view.callbacks.onReset()
  else if (event.key === '-' || event.key === 'Backspace') zoomOut(view, tree, zoom)
  else if (event.key === '+' && view.focused >= 0) view.callbacks.onPick(view.focused)
  else {
    const from = view.focused >= 0 ? view.focused : zoom
    const next = neighbourOf(tree, from, event.key, visible, upward)
    if (next === undefined) return
    if (tree.depth[next] < tree.depth[zoom]) zoomOut(view, tree, zoom)
    view.focus(view.focused < 0 ? from : next)
  }
  event.preventDefault()
}

function zoomOut(view: FlameView, tree: Tree, zoom: number) {
  if (zoom !== ROOT) view.callbacks.onZoom(tree.parent[zoom])
}

/** Where an arrow key leads: to the parent, to the heaviest child, sideways to siblings that are drawn. */
export function neighbourOf(
  tree: Tree,
  node: number,
  key: string,
  visible: (node: number) => boolean,
  upward = false,
): number | undefined {
  if (key === (upward ? 'ArrowDown' : 'ArrowUp')) return node === ROOT ? ROOT : tree.parent[node]
  if (key === (upward ? 'ArrowUp' : 'ArrowDown')) {
    const start = tree.childStart[node]
    const child = start < tree.childStart[node + 1] ? tree.children[start] : node
    return visible(child) ? child : node
  }
  if (key === 'ArrowLeft' || key === 'ArrowRight')
    return sibling(tree, node, key === 'ArrowLeft' ? -1 : 1, visible)
  return undefined
}

function sibling(tree: Tree, node: number, step: number, visible: (node: number) => boolean): number {
  if (node === ROOT) return ROOT
  const parent = tree.parent[node]
  let i = tree.childStart[parent]
  while (tree.children[i] !== node) i++
  const next = i + step
  if (next < tree.childStart[parent] || next >= tree.childStart[parent + 1]) return node
  return visible(tree.children[next]) ? tree.children[next] : node
}
