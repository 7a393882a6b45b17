/** Runs in the browser: the real view, painting every frame from scratch while the pointer, the zoom and the page move. */
import { FlameView } from '../../src/flame/view'
import { decode, type Graph } from '../../src/profile/decode'
import { buildTree, ROOT, type Tree } from '../../src/profile/tree'
import { graphOf } from '../fixture/graph'
import { randomFrom } from '../fixture/random'
import { grown } from '../fixture/stacks'

export interface Times {
  frames: number
  bestMs: number
  medianMs: number
  p95Ms: number
  worstMs: number
}

export interface Figures {
  nodes: number
  answerBytes: number
  first: Times // from the text of an answer to the first paint
  paint: Times
  hover: Times
  zoom: Times
  scroll: Times
}

declare global {
  interface Window {
    bench(nodes: number, seconds: number): Promise<Figures>
  }
}

const FIRST_PAINTS = 9

window.bench = async (nodes, seconds) => {
  const host = document.getElementById('host')
  if (!host) throw new Error('no host')
  const answer = JSON.stringify(graphOf(grown(nodes, 70, 7, count => count * 1e7)))
  const first: number[] = []
  for (let i = 0; i < FIRST_PAINTS; i++) {
    const start = performance.now()
    const { view } = show(host, answer)
    readBack(host)
    first.push(performance.now() - start)
    view.destroy()
    await pause()
  }
  const { view, tree } = show(host, answer)
  const random = randomFrom(1)
  const bounds = host.getBoundingClientRect()
  const measure = (before: () => void) => framesFor(host, view, seconds, before)
  const paint = await measure(() => view.invalidate('layout'))
  const hover = await measure(() =>
    view.pointAt(bounds.left + random() * bounds.width, bounds.top + random() * bounds.height),
  )
  const zoom = await measure(() => view.setZoom(Math.floor(random() * tree.size)))
  view.setZoom(ROOT)
  const scroll = await measure(() => {
    host.scrollTop = random() * host.scrollHeight
    view.invalidate('boxes')
  })
  view.destroy()
  return {
    nodes: tree.size - 1,
    answerBytes: answer.length,
    first: summed(first),
    paint,
    hover,
    zoom,
    scroll,
  }
}

/** What the screen does with an answer. */
function show(host: HTMLElement, answer: string): { view: FlameView; tree: Tree } {
  const profile = decode(JSON.parse(answer) as Graph)
  const tree = buildTree(profile)
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
  return { view, tree }
}

/** Frames for some seconds, each after what makes it necessary. */
async function framesFor(
  host: HTMLElement,
  view: FlameView,
  seconds: number,
  before: () => void,
): Promise<Times> {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const start = performance.now()
    before()
    view.draw()
    readBack(host)
    times.push(performance.now() - start)
    await pause()
  }
  return summed(times)
}

/** So that nothing of a frame is left undone. */
function readBack(host: HTMLElement) {
  const context = host.querySelector('canvas')?.getContext('2d')
  if (!context) throw new Error('no canvas')
  context.getImageData(0, 0, 1, 1)
}

const pause = () => new Promise(resolve => setTimeout(resolve))

function summed(times: number[]): Times {
  const sorted = times.slice().sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(Math.floor(q * sorted.length), sorted.length - 1)]
  return { frames: times.length, bestMs: at(0), medianMs: at(0.5), p95Ms: at(0.95), worstMs: at(1) }
}
