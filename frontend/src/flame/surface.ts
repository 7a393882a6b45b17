/** The two canvases of a flame graph, as large as what is in sight; the host scrolls. */

/** Height of a row and of the gap below it, in CSS pixels. */
export const ROW = 20
export const GAP = 1
const FONT_SIZE = 12
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
const MAX_RATIO = 3

export class Surface {
  readonly base: CanvasRenderingContext2D
  readonly overlay: CanvasRenderingContext2D
  width = 0 // device pixels
  height = 0
  ratio = 1
  private image: ImageData | undefined
  private readonly stage: HTMLDivElement
  private readonly frame: HTMLDivElement
  private readonly host: HTMLElement
  private readonly onRestored: () => void

  /** A browser may take a canvas away, for want of memory: `onRestored` is called when it is there again, and empty. */
  constructor(host: HTMLElement, onRestored: () => void) {
    this.host = host
    this.onRestored = onRestored
    this.stage = document.createElement('div')
    this.frame = document.createElement('div')
    this.frame.className = 'flame-frame'
    this.stage.append(this.frame)
    host.append(this.stage)
    this.base = this.addCanvas()
    this.overlay = this.addCanvas()
  }

  private addCanvas(): CanvasRenderingContext2D {
    const canvas = document.createElement('canvas')
    canvas.className = 'flame-canvas'
    canvas.setAttribute('aria-hidden', 'true')
    canvas.addEventListener('contextrestored', () => {
      this.width = 0 // font and size are lost as well: fit() sets them again
      this.onRestored()
    })
    this.frame.append(canvas)
    const context = canvas.getContext('2d')
    if (context === null) throw new Error('This browser gives no 2D canvas, which the flame graph needs')
    return context
  }

  /** Takes the size of the host. Returns whether it changed. */
  fit(): boolean {
    const ratio = Math.min(window.devicePixelRatio || 1, MAX_RATIO)
    const width = Math.floor(this.host.clientWidth * ratio)
    const height = Math.floor(this.host.clientHeight * ratio)
    if (width === this.width && height === this.height && ratio === this.ratio) return false
    Object.assign(this, { width, height, ratio, image: undefined })
    this.frame.style.height = `${this.host.clientHeight}px`
    for (const context of [this.base, this.overlay]) {
      context.canvas.width = width
      context.canvas.height = height
      context.font = `${FONT_SIZE * ratio}px ${FONT}`
      context.textBaseline = 'middle'
    }
    return true
  }

  setRows(rows: number) {
    this.stage.style.height = `${Math.max(rows * ROW, 1)}px`
  }

  /** The pixels to paint on; put() shows them. */
  pixels(): Uint32Array {
    this.image ??= new ImageData(this.width, this.height)
    return new Uint32Array(this.image.data.buffer)
  }

  put() {
    if (this.image) this.base.putImageData(this.image, 0, 0)
  }

  get scroll(): number {
    return Math.round(this.host.scrollTop * this.ratio)
  }

  get rowHeight(): number {
    return Math.round(ROW * this.ratio)
  }

  get gap(): number {
    return Math.max(Math.round(GAP * this.ratio), 1)
  }

  /** Scrolls to the first of the tops (device pixels on the canvas) if none of them is in sight. */
  reveal(tops: number[]) {
    const inSight = (top: number) => top >= 0 && top + this.rowHeight <= this.height
    if (tops.length > 0 && !tops.some(inSight))
      this.host.scrollTop += (tops[0] - this.height / 3) / this.ratio
  }

  /** Scrolls as little as it takes to see the row at top (device pixels on the canvas) and its neighbours. */
  follow(top: number) {
    const [above, below] = [top - this.rowHeight, top + 2 * this.rowHeight - this.height]
    if (above < 0) this.host.scrollTop += above / this.ratio
    else if (below > 0) this.host.scrollTop += below / this.ratio
  }

  /** Shows the row that the graph grows from. */
  toStart(upward: boolean) {
    this.host.scrollTop = upward ? this.host.scrollHeight : 0
  }

  remove() {
    this.stage.remove()
  }
}
