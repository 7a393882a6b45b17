import type { RefObject } from 'react'
import type { FlameView } from '../flame/view'
import { matchFunctions, matchingNodes, parseQuery } from '../profile/search'
import type { Tree } from '../profile/tree'
import { useShortcuts } from './shortcuts'

interface Searched {
  functions: string[] // of the tree
  tree: Tree
  zoom: number
  text: string // that n and N look for
  view: RefObject<FlameView | null>
}

/**
 * Goes through the matches of a text in reading order: n and N anywhere, Enter and Shift+Enter in the search. The text is
 * that of the moment of the key, which what the screen shows may be behind.
 */
export function useNextMatch({
  functions,
  tree,
  zoom,
  text,
  view,
}: Searched): (step: 1 | -1, text: string) => void {
  const go = (step: 1 | -1, wanted: string) => {
    const current = view.current
    const query = parseQuery(wanted)
    if (!current || query.kind !== 'valid') return
    const nodes = matchingNodes(tree, matchFunctions(functions, query.matches), zoom)
    if (nodes.length === 0) return
    const at = nodes.indexOf(current.focused)
    const next = at < 0 ? (step > 0 ? 0 : nodes.length - 1) : (at + step + nodes.length) % nodes.length
    current.focus(nodes[next])
  }
  useShortcuts('Search', [
    { keys: ['n'], label: 'Next match', run: () => go(1, text) },
    { keys: ['N'], label: 'Previous match', run: () => go(-1, text) },
    { keys: ['Enter', 'Shift+Enter'], label: 'In the search field: next and previous match' },
  ])
  return go
}
