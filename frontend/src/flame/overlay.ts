/** What changes without a repaint of the boxes: hover, keyboard focus, and the selected function. */
import type { Theme } from './colors'
import { boxOf } from './layout'
import type { Scene } from './paint'
import { topOf, visibleRows } from './rows'

const STROKE: Record<Theme, { hover: string; selected: string; focus: string; halo: string }> = {
  light: { hover: 'rgba(0, 0, 0, 0.10)', selected: '#5b21b6', focus: '#0b0d10', halo: '#ffffff' },
  dark: { hover: 'rgba(255, 255, 255, 0.16)', selected: '#d8b4fe', focus: '#ffffff', halo: '#0b0d10' },
}

export interface Marked {
  hover: number // box, or -1
  focus: number // node, or -1
  selected: number // function, or -1
  pinned: number // node, or -1
}

export function drawOverlay(context: CanvasRenderingContext2D, scene: Scene, marked: Marked) {
  const colors = STROKE[scene.palette.theme]
  context.clearRect(0, 0, scene.layout.width, scene.rows.sight)
  if (marked.selected >= 0) outlineFunction(context, scene, marked.selected, colors.selected)
  if (marked.hover >= 0) {
    const [x, y, w, h] = rectOf(scene, marked.hover)
    context.fillStyle = colors.hover
    context.fillRect(x, y, w, h)
    outline(context, scene, marked.hover, colors.focus, 1)
  }
  const pinned = marked.pinned >= 0 ? boxOf(scene.layout, scene.tree, marked.pinned) : -1
  if (pinned >= 0) outline(context, scene, pinned, colors.selected, 3)
  const focused = marked.focus >= 0 ? boxOf(scene.layout, scene.tree, marked.focus) : -1
  if (focused >= 0) {
    outline(context, scene, focused, colors.halo, 4)
    outline(context, scene, focused, colors.focus, 2)
  }
}

function outlineFunction(c: CanvasRenderingContext2D, scene: Scene, fn: number, color: string) {
  const { layout, tree } = scene
  const [first, last] = visibleRows(scene.rows)
  for (let i = layout.rowStart[first]; i < layout.rowStart[last]; i++) {
    if (layout.hidden[i] === 0 && tree.frame[layout.node[i]] === fn) outline(c, scene, i, color, 2)
  }
}

function outline(context: CanvasRenderingContext2D, scene: Scene, box: number, color: string, width: number) {
  const [x, y, w, h] = rectOf(scene, box)
  const line = width * scene.rows.gap
  context.strokeStyle = color
  context.lineWidth = Math.min(line, w)
  context.strokeRect(x + line / 2, y + line / 2, Math.max(w - line, 0), h - line)
}

function rectOf(scene: Scene, box: number): [number, number, number, number] {
  const { layout, rows } = scene
  const x = layout.x0[box]
  return [x, topOf(rows, rowOf(layout.rowStart, box)), layout.x1[box] - x, rows.height - rows.gap]
}

function rowOf(rowStart: number[], box: number): number {
  let low = 0
  let high = rowStart.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (rowStart[middle] <= box) low = middle
    else high = middle
  }
  return low
}
