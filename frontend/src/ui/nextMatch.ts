import { type RefObject, useMemo } from 'react'
import type { FlameView } from '../flame/view'
import { matchingNodes } from '../profile/search'
import type { Tree } from '../profile/tree'
import { useShortcuts } from './shortcuts'

/** Goes through the matches in reading order: n and N anywhere, Enter and Shift+Enter in the search. */
export function useNextMatch(
  tree: Tree,
  zoom: number,
  matched: Uint8Array | undefined,
  view: RefObject<FlameView | null>,
): (step: 1 | -1) => void {
  const nodes = useMemo(
    () => (matched ? matchingNodes(tree, matched, zoom) : undefined),
    [tree, matched, zoom],
  )
  const go = (step: 1 | -1) => {
    const current = view.current
    if (!nodes || nodes.length === 0 || !current) return
    const at = nodes.indexOf(current.focused)
    const next = at < 0 ? (step > 0 ? 0 : nodes.length - 1) : (at + step + nodes.length) % nodes.length
    current.focus(nodes[next])
  }
  useShortcuts('Search', [
    { keys: ['n'], label: 'Next match', run: () => go(1) },
    { keys: ['N'], label: 'Previous match', run: () => go(-1) },
    { keys: ['Enter', 'Shift+Enter'], label: 'In the search field: next and previous match' },
  ])
  return go
}
