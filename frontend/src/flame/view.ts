/** A flame graph on a canvas: takes data and state, draws, and reports what the user points at. */
import type { Profile } from '../profile/decode'
import { findPath, pathTo, ROOT, type Tree } from '../profile/tree'
import { type Colors, makePalette, type Palette } from './colors'
import { diffFills, type NodeFills } from './diffColors'
import { Glide } from './glide'
import { attachInput } from './input'
import { drawLabels } from './labels'
import { boxOf, hitTest, type Layout, layOut, rowsOf, sightOf } from './layout'
import { drawOverlay } from './overlay'
import { paint, type Scene } from './paint'
import { type Rows, rowAt, topOf } from './rows'
import { GAP, ROW, Surface } from './surface'
import { toSVG } from './svg'
import { type Metrics, measureWith } from './text'

/** What is under the pointer: a node, or (hidden > 0) a run of siblings of which node is the heaviest. */
export interface Hit {
  node: number
  hidden: number
  x: number // client coordinates
  y: number
}

export interface FlameCallbacks {
  onHover(hit: Hit | undefined): void
  onPick(node: number): void // click, tap or Enter: zoom and tell more
  onPin(node: number): void // right click or m: tell more
  onZoom(node: number): void // zoom alone
  onFocus(node: number): void // the keyboard moved
  onReset(): void
}

export interface FlameData {
  profile: Profile
  tree: Tree
  rootLabel: string
  /** By node, from -1 (much less) over 0 (as much) to 1 (much more): colours that take the place of those by kind. */
  change?: Float32Array
}

const SVG_WIDTH = 1600

export class FlameView {
  readonly callbacks: FlameCallbacks
  private readonly surface: Surface
  private readonly host: HTMLElement
  private readonly stop = new AbortController()
  private readonly resizes: ResizeObserver
  private readonly glide: Glide
  private data: FlameData | undefined
  private palette: Palette | undefined
  private nodeFills: NodeFills | undefined
  private layout: Layout | undefined
  private metrics: Metrics | undefined
  private colors: Colors = { theme: 'dark', coloring: 'kind', greyed: undefined }
  private zoom = ROOT
  private upward = false
  private pointer = { x: -1, y: -1 }
  private matched: Uint8Array | undefined
  private hover = -1
  private selected = -1
  private pinned = -1
  focused = -1
  private pending = 0
  private stale = { layout: true, boxes: true }

  constructor(host: HTMLElement, callbacks: FlameCallbacks) {
    this.host = host
    this.callbacks = callbacks
    this.surface = new Surface(host, () => this.invalidate('layout'))
    this.glide = new Glide(() => this.invalidate('layout'))
    this.resizes = new ResizeObserver(() => this.invalidate('layout'))
    this.resizes.observe(host)
    host.addEventListener('scroll', () => this.invalidate('boxes'), {
      signal: this.stop.signal,
      passive: true,
    })
    attachInput(host, this, this.stop.signal)
  }

  /** New data; the focus stays at its path of names if that exists still. */
  setData(data: FlameData, zoom: number) {
    const focused = this.data && this.focused >= 0 ? sameNode(this.data, data, this.focused) : -1
    this.data = data
    this.zoom = zoom
    this.palette = undefined
    this.nodeFills = undefined
    this.hover = -1
    if (focused !== this.focused) {
      this.focused = focused
      this.callbacks.onFocus(focused)
    }
    this.glide.jump(sightOf(data.tree, zoom))
    this.invalidate('layout')
  }

  setZoom(node: number) {
    if (!this.data || node === this.zoom) return
    this.zoom = node
    this.glide.to(sightOf(this.data.tree, node))
    this.surface.toStart(this.upward)
  }

  setUpward(upward: boolean) {
    if (upward === this.upward) return
    this.upward = upward
    this.draw()
    this.surface.toStart(upward)
    this.invalidate('boxes')
  }

  setColors(colors: Colors) {
    this.colors = colors
    this.palette = undefined
    this.nodeFills = undefined
    this.invalidate('boxes')
  }

  /** Fades what does not match, and scrolls to the first match if none is in sight. */
  setMatched(matched: Uint8Array | undefined) {
    this.matched = matched
    if (matched) this.reveal(fn => matched[fn] === 1)
    this.invalidate('boxes')
  }

  /** Outlines a function, and scrolls to it if none of its boxes is in sight. */
  setSelected(fn: number) {
    this.selected = fn
    if (fn >= 0) this.reveal(other => other === fn)
    this.invalidate('overlay')
  }

  setPinned(node: number) {
    this.pinned = node
    this.invalidate('overlay')
  }

  /** The layout of what was set last. Keys and pointers may come before the next frame draws it. */
  private current(): Layout | undefined {
    if (this.stale.layout) this.draw()
    return this.layout
  }

  private reveal(wanted: (fn: number) => boolean) {
    if (!this.data || !this.layout) return
    const { layout } = this
    const rows = rowsOf(layout, this.data.tree, wanted).filter(row => row >= this.glide.sight.fold)
    this.surface.reveal(rows.map(row => topOf(this.rows(layout), row)))
  }

  /** Moves the keyboard focus to a node and scrolls it into sight. */
  focus(node: number) {
    const layout = this.current()
    if (!this.data || !layout) return
    this.focused = node
    this.surface.follow(topOf(this.rows(layout), this.data.tree.depth[node]))
    this.invalidate('overlay')
    this.callbacks.onFocus(node)
  }

  /** The pointer is there, in coordinates of the window: what lies under it is told again whenever that changes. */
  pointAt(x: number, y: number): Hit | undefined {
    this.pointer = { x, y }
    const layout = this.current()
    const box = layout ? this.boxAt(layout, x, y) : -1
    if (box !== this.hover) {
      this.hover = box
      this.invalidate('overlay')
    }
    return layout && hitOf(layout, box, x, y)
  }

  /** What lies there. A finger that has tapped is not there any more. */
  hitAt(x: number, y: number): Hit | undefined {
    const layout = this.current()
    return layout && hitOf(layout, this.boxAt(layout, x, y), x, y)
  }

  private boxAt(layout: Layout, x: number, y: number): number {
    const bounds = this.host.getBoundingClientRect()
    const inside = x >= bounds.left && x < bounds.right && y >= bounds.top && y < bounds.bottom
    if (!inside) return -1
    const { ratio } = this.surface
    const row = rowAt(this.rows(layout), Math.floor((y - bounds.top) * ratio))
    return hitTest(layout, row, Math.floor((x - bounds.left) * ratio))
  }

  private rows(layout: Layout): Rows {
    const { rowHeight, gap, scroll, height } = this.surface
    const { fold } = this.glide.sight
    return { count: layout.rows, fold, height: rowHeight, gap, scroll, sight: height, upward: this.upward }
  }

  /** For the keyboard: the tree, where it starts from, and whether a node can be seen. */
  get navigation() {
    const layout = this.current()
    const { data, zoom, upward } = this
    if (!data || !layout) return undefined
    const { tree } = data
    return {
      tree,
      zoom,
      upward,
      visible: (node: number) => {
        const box = boxOf(layout, tree, node)
        return box >= 0 && layout.hidden[box] === 0
      },
    }
  }

  invalidate(what: 'layout' | 'boxes' | 'overlay') {
    if (what === 'layout') this.stale.layout = true
    if (what !== 'overlay') this.stale.boxes = true
    this.pending ||= requestAnimationFrame(() => this.draw())
  }

  /** Draws what is stale, now. */
  draw() {
    cancelAnimationFrame(this.pending)
    this.pending = 0
    const { data, surface } = this
    if (!data) return
    if (surface.fit()) this.metrics = measureWith(text => surface.base.measureText(text).width)
    if (surface.width === 0 || surface.height === 0 || !this.metrics) return
    if (this.stale.layout || !this.layout) {
      const first = this.layout === undefined
      this.layout = layOut(data.tree, this.glide.sight, surface.width)
      this.stale.layout = false
      surface.setRows(this.layout.rows - data.tree.depth[this.zoom])
      if (first) surface.toStart(this.upward)
      this.hover = -1
      if (this.pointer.x >= 0) this.callbacks.onHover(this.pointAt(this.pointer.x, this.pointer.y))
    }
    this.palette ??= makePalette(data.profile, this.colors)
    if (data.change) this.nodeFills ??= diffFills(data.change, this.colors.theme)
    const scene = this.scene(data, this.layout, this.palette)
    if (this.stale.boxes) this.drawBoxes(scene, data.rootLabel, this.metrics)
    const { hover, focused: focus, selected, pinned } = this
    drawOverlay(surface.overlay, scene, { hover, focus, selected, pinned })
    this.stale.boxes = false
  }

  private scene({ profile, tree }: FlameData, layout: Layout, palette: Palette): Scene {
    const { matched, zoom, nodeFills } = this
    return { profile, tree, layout, palette, nodeFills, matched, zoom, rows: this.rows(layout) }
  }

  private drawBoxes(scene: Scene, rootLabel: string, metrics: Metrics) {
    const { surface } = this
    paint({ pixels: surface.pixels(), width: surface.width, height: surface.height }, scene)
    surface.put()
    drawLabels(surface.base, scene, { metrics, padding: 4 * surface.ratio, rootLabel })
  }

  /** What is on the canvas, as it is. */
  toPNG(): Promise<Blob | null> {
    this.draw()
    return new Promise(resolve => this.surface.base.canvas.toBlob(resolve))
  }

  /** All rows of what is zoomed, as a drawing. */
  toSVG(words: (node: number) => string): string {
    const { data, surface, metrics } = this
    if (!data || !metrics) return ''
    const palette = this.palette ?? makePalette(data.profile, this.colors)
    const sight = sightOf(data.tree, this.zoom)
    const layout = layOut(data.tree, sight, SVG_WIDTH)
    const size = { height: ROW, gap: GAP, scroll: 0, sight: (layout.rows - sight.fold) * ROW }
    const rows = { ...size, count: layout.rows, fold: sight.fold, upward: this.upward }
    const scaled: Metrics = { width: text => metrics.width(text) / surface.ratio }
    return toSVG({ ...this.scene(data, layout, palette), rows }, scaled, data.rootLabel, words)
  }

  destroy() {
    this.stop.abort()
    this.glide.stop()
    this.resizes.disconnect()
    cancelAnimationFrame(this.pending)
    this.surface.remove()
  }
}

function hitOf(layout: Layout, box: number, x: number, y: number): Hit | undefined {
  return box < 0 ? undefined : { node: layout.node[box], hidden: layout.hidden[box], x, y }
}

/** The node of the new tree that the same names lead to; -1 if there is none. */
function sameNode(old: FlameData, data: FlameData, node: number): number {
  const names = pathTo(old.tree, node).map(n => old.profile.functions[old.tree.frame[n]])
  const found = findPath(data.tree, data.profile.functions, names)
  return data.tree.depth[found] === names.length ? found : -1
}
