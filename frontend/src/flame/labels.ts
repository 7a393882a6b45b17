/** Writes the names onto the painted boxes. */

import { OMITTED } from '../profile/decode'
import { ROOT } from '../profile/tree'
import type { Theme } from './colors'
import { isFaded, type Scene } from './paint'
import { topOf, visibleRows } from './rows'
import { fitLabel, type Metrics } from './text'

const INK: Record<Theme, { normal: string; faded: string; root: string }> = {
  light: { normal: '#14181d', faded: '#59616b', root: '#14181d' },
  dark: { normal: '#0b0d10', faded: '#a4abb5', root: '#eef0f3' },
}

export interface LabelStyle {
  metrics: Metrics
  padding: number // device pixels left and right of a label
  rootLabel: string
}

/** The context's font and baseline are set by the caller. */
export function drawLabels(context: CanvasRenderingContext2D, scene: Scene, style: LabelStyle) {
  const { layout, tree, profile, palette, rows } = scene
  const ink = INK[palette.theme]
  const narrowest = 4 * style.padding
  const [first, last] = visibleRows(rows)
  for (let row = first; row < last; row++) {
    const middle = topOf(rows, row) + (rows.height - rows.gap) / 2
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
      const width = layout.x1[i] - layout.x0[i]
      if (width < narrowest) continue
      if (layout.hidden[i] > 0) {
        drawRunLabel(context, ink.root, layout.hidden[i], layout.x0[i], width, middle, style)
        continue
      }
      const node = layout.node[i]
      const fn = tree.frame[node]
      const room = width - 2 * style.padding
      const label =
        node === ROOT
          ? style.rootLabel
          : fitLabel(profile.functions[fn], profile.kinds[fn], room, style.metrics)
      if (label === '') continue
      context.fillStyle =
        node === ROOT || profile.kinds[fn] === OMITTED
          ? ink.root
          : isFaded(scene, node)
            ? ink.faded
            : ink.normal
      context.fillText(label, layout.x0[i] + style.padding, middle)
    }
  }
}

/** A run of boxes too narrow to draw says how many they are. */
function drawRunLabel(
  context: CanvasRenderingContext2D,
  ink: string,
  hidden: number,
  x: number,
  width: number,
  middle: number,
  { metrics, padding }: LabelStyle,
) {
  const label = `+${hidden}`
  if (metrics.width(label) > width - 2 * padding) return
  context.fillStyle = ink
  context.fillText(label, x + padding, middle)
}
