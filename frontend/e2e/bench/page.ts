/** Runs in the browser: the real view, painting every frame from scratch while the zoom moves. */
import { FlameView } from '../../src/flame/view'
import { decode } from '../../src/profile/decode'
import { buildTree, ROOT } from '../../src/profile/tree'
import { graphOf } from '../fixture/graph'
import { grown } from '../fixture/stacks'

export interface Figures {
  nodes: number
  decodeMs: number
  buildMs: number
  frames: number
  seconds: number
  medianMs: number
  p95Ms: number
}

declare global {
  interface Window {
    bench(nodes: number, seconds: number): Promise<Figures>
  }
}

window.bench = async (nodes, seconds) => {
  const graph = graphOf(grown(nodes, 70, 7, count => count * 1e7))
  const t0 = performance.now()
  const profile = decode(graph)
  const t1 = performance.now()
  const tree = buildTree(profile)
  const t2 = performance.now()
  const host = document.getElementById('host')
  if (!host) throw new Error('no host')
  const nothing = () => undefined
  const view = new FlameView(host, {
    onHover: nothing,
    onPick: nothing,
    onPin: nothing,
    onZoom: nothing,
    onFocus: nothing,
    onReset: nothing,
  })
  view.setData({ profile, tree, rootLabel: 'all' }, ROOT)
  view.draw()
  const times = await paintFor(view, seconds)
  view.destroy()
  const sorted = times.slice().sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(Math.floor(q * sorted.length), sorted.length - 1)]
  return {
    nodes: tree.size - 1,
    decodeMs: t1 - t0,
    buildMs: t2 - t1,
    frames: times.length,
    seconds: times.reduce((a, b) => a + b, 0) / 1000,
    medianMs: at(0.5),
    p95Ms: at(0.95),
  }
}

/** Layout, boxes, labels and overlay of each frame; the pixels are read back, so that nothing is left undone. */
async function paintFor(view: FlameView, seconds: number): Promise<number[]> {
  const canvas = document.querySelector('canvas')
  const context = canvas?.getContext('2d')
  if (!context) throw new Error('no canvas')
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const start = performance.now()
    view.invalidate('layout')
    view.draw()
    context.getImageData(0, 0, 1, 1)
    times.push(performance.now() - start)
    await new Promise(resolve => setTimeout(resolve))
  }
  return times
}
