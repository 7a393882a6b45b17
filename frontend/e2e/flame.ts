/** Finds frames on the canvas: the same answer that the page gets, laid out by the same arithmetic. */
import type { Page } from 'playwright-core'
import type { Flame } from '../src/api/types'
import { ROW } from '../src/flame/surface'
import { decode, type Graph, OMITTED } from '../src/profile/decode'
import { buildTree, findPath, pathTo, ROOT } from '../src/profile/tree'
import { FIXTURE_NOW, type FixtureServer } from './fixture/server'

export const HOUR = { from: FIXTURE_NOW - 3600, to: FIXTURE_NOW }

export function fetchFlame(server: FixtureServer, service: string, type = 'cpu', nodes = 8192): Flame {
  const query = new URLSearchParams({
    service,
    type,
    nodes: String(nodes),
    from: String(HOUR.from),
    to: String(HOUR.to),
  })
  return server.answer(`/api/v1/flame?${query}`)
}

/** The middle of the frame at a path of names, in window coordinates, while nothing is zoomed. */
export async function locateFrame(page: Page, flame: Flame, path: string[]) {
  const profile = decode(flame)
  const tree = buildTree(profile)
  const node = findPath(tree, profile.functions, path)
  const host = page.locator('.flame-host')
  await host.scrollIntoViewIfNeeded()
  const box = await host.boundingBox()
  if (!box) throw new Error('the flame graph is not on the page')
  const scrolled = await host.evaluate(e => e.scrollTop)
  const scale = (await host.evaluate(e => e.clientWidth)) / tree.total[ROOT]
  return {
    node,
    tree,
    x: box.x + (tree.left[node] + tree.total[node] / 2) * scale,
    y: box.y + (tree.depth[node] + 0.5) * ROW - scrolled,
  }
}

/** The heaviest path from the root: the names of its frames. */
export function heaviestPath(flame: Flame, length: number): string[] {
  const profile = decode(flame)
  const tree = buildTree(profile)
  const names: string[] = []
  for (let node = ROOT; names.length < length; ) {
    node = tree.children[tree.childStart[node]]
    names.push(profile.functions[tree.frame[node]])
  }
  return names
}

/** What filters and a path leave of the total. */
export const insideOf = ({ total, outside }: Pick<Flame, 'total' | 'outside'>) => total.value - outside.value

/** The names down to the frame of the deepest omitted frames. */
export function deepestOmitted(graph: Graph): string[] {
  return omittedWithMost(graph, 'depth').slice(0, -1)
}

/** The names down to the widest omitted frames. */
export function widestOmitted(graph: Graph): string[] {
  return omittedWithMost(graph, 'total')
}

function omittedWithMost(graph: Graph, most: 'depth' | 'total'): string[] {
  const profile = decode(graph)
  const tree = buildTree(profile)
  const omitted = Array.from(tree.frame.keys()).filter(n => profile.kinds[tree.frame[n]] === OMITTED)
  const found = omitted.reduce((a, b) => (tree[most][b] > tree[most][a] ? b : a))
  return pathTo(tree, found).map(n => profile.functions[tree.frame[n]])
}
