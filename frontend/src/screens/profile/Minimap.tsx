import { useEffect, useMemo, useRef } from 'react'
import { type Colors, makePalette } from '../../flame/colors'
import { hitTest, layOut, type Sight, sightOf } from '../../flame/layout'
import { paint } from '../../flame/paint'
import { type Rows, rowAt } from '../../flame/rows'
import { ROOT } from '../../profile/tree'
import type { Model } from './model'

const WIDTH = 220
const MAX_HEIGHT = 72
/** Fewer rows need no map. */
const MIN_ROWS = 6

interface Props {
  model: Model
  zoom: number
  colors: Colors
  upward: boolean
  onZoom(node: number): void
}

/** The whole graph in a corner while a part of it is zoomed; a click goes to the frame below it. */
export function Minimap({ model, zoom, colors, upward, onZoom }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const { tree, profile } = model
  const shown = zoom !== ROOT && tree.maxDepth >= MIN_ROWS
  const map = useMemo(() => {
    if (!shown) return undefined
    const layout = layOut(tree, sightOf(tree, ROOT), WIDTH)
    const height = Math.max(Math.floor(MAX_HEIGHT / layout.rows), 1)
    const sight = Math.min(layout.rows * height, MAX_HEIGHT)
    const rows: Rows = { count: layout.rows, fold: 0, height, gap: 0, scroll: 0, sight, upward }
    return { layout, rows }
  }, [tree, shown, upward])
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (!context || !map) return
    const image = new ImageData(WIDTH, map.rows.sight)
    const raster = { pixels: new Uint32Array(image.data.buffer), width: WIDTH, height: map.rows.sight }
    const palette = makePalette(profile, colors)
    paint(raster, { profile, tree, palette, matched: undefined, zoom: ROOT, ...map })
    context.putImageData(image, 0, 0)
  }, [map, profile, tree, colors])
  if (!map) return null
  const jump = (event: React.MouseEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    const row = rowAt(map.rows, Math.floor(event.clientY - box.top))
    const hit = hitTest(map.layout, row, Math.floor(event.clientX - box.left))
    if (hit >= 0) onZoom(map.layout.node[hit])
  }
  return (
    <div
      className={upward ? 'minimap upward' : 'minimap'}
      aria-hidden="true"
      title="The whole graph"
      onClick={jump}
    >
      <canvas ref={canvas} width={WIDTH} height={map.rows.sight} />
      <span className="minimap-sight" style={sightStyle(sightOf(tree, zoom), tree.total[ROOT], map.rows)} />
    </div>
  )
}

function sightStyle(sight: Sight, total: number, rows: Rows): React.CSSProperties {
  const start = Math.min(sight.fold * rows.height, rows.sight - 2)
  return {
    left: `${(100 * sight.from) / total}%`,
    width: `max(${(100 * (sight.to - sight.from)) / total}%, 2px)`,
    [rows.upward ? 'bottom' : 'top']: start,
    height: rows.sight - start,
  }
}
