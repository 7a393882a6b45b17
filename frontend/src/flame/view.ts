/** A flame graph on a canvas: takes data and state, draws, and reports what the user points at. */
import type { Profile } from '../profile/decode'
import { ROOT, type Tree } from '../profile/tree'
import { makePalette, type Palette, type Theme } from './colors'
import { Glide } from './glide'
import { attachInput } from './input'
import { drawLabels } from './labels'
import { boxOf, hitTest, type Layout, layOut, rowsOf, spanOf } from './layout'
import { drawOverlay } from './overlay'
import { paint, type Scene } from './paint'
import { Surface } from './surface'
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
  onPick(node: number): void // click or Enter: zoom and select
  onFocus(node: number): void // the keyboard moved
  onReset(): void
}

export interface FlameData {
  profile: Profile
  tree: Tree
  rootLabel: string
}

export class FlameView {
  readonly callbacks: FlameCallbacks
  private readonly surface: Surface
  private readonly host: HTMLElement
  private readonly stop = new AbortController()
  private readonly resizes: ResizeObserver
  private readonly glide: Glide
  private data: FlameData | undefined
  private palette: Palette | undefined
  private layout: Layout | undefined
  private metrics: Metrics | undefined
  private theme: Theme = 'dark'
  private zoom = ROOT
  private matched: Uint8Array | undefined
  private hover = -1
  private selected = -1
  focused = -1
  private pending = 0
  private stale = { layout: true, boxes: true }

  constructor(host: HTMLElement, callbacks: FlameCallbacks) {
    this.host = host
    this.callbacks = callbacks
    this.surface = new Surface(host)
    this.glide = new Glide(() => this.invalidate('layout'))
    this.resizes = new ResizeObserver(() => this.invalidate('layout'))
    this.resizes.observe(host)
    host.addEventListener('scroll', () => this.invalidate('boxes'), {
      signal: this.stop.signal,
      passive: true,
    })
    attachInput(host, this, this.stop.signal)
  }

  setData(data: FlameData, zoom: number) {
    this.data = data
    this.zoom = zoom
    this.palette = undefined
    this.hover = -1
    this.focused = -1
    this.callbacks.onHover(undefined)
    this.glide.jump(spanOf(data.tree, zoom))
    this.invalidate('layout')
  }

  setZoom(node: number) {
    if (!this.data || node === this.zoom) return
    this.zoom = node
    this.glide.to(spanOf(this.data.tree, node))
  }

  setTheme(theme: Theme) {
    this.theme = theme
    this.palette = undefined
    this.invalidate('boxes')
  }

  setMatched(matched: Uint8Array | undefined) {
    this.matched = matched
    this.invalidate('boxes')
  }

  /** Outlines a function, and scrolls to it if none of its boxes is in sight. */
  setSelected(fn: number) {
    this.selected = fn
    if (this.data && this.layout && fn >= 0) this.surface.reveal(rowsOf(this.layout, this.data.tree, fn))
    this.invalidate('overlay')
  }

  /** Moves the keyboard focus to a node and scrolls it into sight. */
  focus(node: number) {
    if (!this.data) return
    this.focused = node
    this.surface.follow(this.data.tree.depth[node])
    this.invalidate('overlay')
    this.callbacks.onFocus(node)
  }

  /** Coordinates of the window. */
  pointAt(x: number, y: number): Hit | undefined {
    const box = this.boxAt(x, y)
    if (box !== this.hover) {
      this.hover = box
      this.invalidate('overlay')
    }
    if (box < 0 || !this.layout) return undefined
    return { node: this.layout.node[box], hidden: this.layout.hidden[box], x, y }
  }

  private boxAt(x: number, y: number): number {
    if (!this.layout) return -1
    const bounds = this.host.getBoundingClientRect()
    const { ratio, rowHeight, scroll } = this.surface
    const row = Math.floor(((y - bounds.top) * ratio + scroll) / rowHeight)
    return hitTest(this.layout, row, Math.floor((x - bounds.left) * ratio))
  }

  /** For the keyboard: the tree, where it starts from, and whether a node can be seen. */
  get navigation(): { tree: Tree; zoom: number; visible: (node: number) => boolean } | undefined {
    const { data, layout, zoom } = this
    if (!data || !layout) return undefined
    const { tree } = data
    return {
      tree,
      zoom,
      visible: node => {
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
      this.layout = layOut(data.tree, this.glide.span, surface.width)
      surface.setRows(this.layout.rows)
      this.hover = -1
    }
    this.palette ??= makePalette(data.profile, this.theme)
    const scene = this.scene(data, this.layout, this.palette)
    if (this.stale.boxes) this.drawBoxes(scene, data.rootLabel, this.metrics)
    drawOverlay(surface.overlay, scene, surface.height, {
      hover: this.hover,
      focus: this.focused,
      selected: this.selected,
    })
    this.stale = { layout: false, boxes: false }
  }

  private scene({ profile, tree }: FlameData, layout: Layout, palette: Palette): Scene {
    const { matched, zoom, surface } = this
    const { rowHeight, gap, scroll } = surface
    return { profile, tree, layout, palette, matched, zoom, rowHeight, gap, scroll }
  }

  private drawBoxes(scene: Scene, rootLabel: string, metrics: Metrics) {
    const { surface } = this
    paint({ pixels: surface.pixels(), width: surface.width, height: surface.height }, scene)
    surface.put()
    drawLabels(surface.base, scene, surface.height, { metrics, padding: 4 * surface.ratio, rootLabel })
  }

  destroy() {
    this.stop.abort()
    this.glide.stop()
    this.resizes.disconnect()
    cancelAnimationFrame(this.pending)
    this.surface.remove()
  }
}
