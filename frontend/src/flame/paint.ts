/** Boxes to pixels. Pure: runs without a browser, so tests look at the pixels. */
import { KINDS, OMITTED, type Profile } from '../profile/decode'
import type { Tree } from '../profile/tree'
import { MARKS, type Palette } from './colors'
import type { NodeFills } from './diffColors'
import type { Layout } from './layout'
import { type Rows, topOf, visibleRows } from './rows'

export interface Raster {
  pixels: Uint32Array
  width: number
  height: number
}

export interface Scene {
  profile: Profile
  tree: Tree
  layout: Layout
  palette: Palette
  nodeFills?: NodeFills // colours by node in place of those by function
  matched: Uint8Array | undefined // by function, while something is searched for
  zoom: number // the node that fills the width
  rows: Rows
}

const HATCH_PERIOD = 6

/** A row is painted as one line of pixels, copied down, and then decorated. */
export function paint(raster: Raster, scene: Scene) {
  raster.pixels.fill(scene.palette.surface)
  const [first, last] = visibleRows(scene.rows)
  for (let row = first; row < last; row++) paintRow(raster, scene, row)
}

function paintRow(raster: Raster, scene: Scene, row: number) {
  const { layout, rows } = scene
  const top = topOf(rows, row)
  const bottom = Math.min(top + rows.height - rows.gap, raster.height)
  const start = Math.max(top, 0)
  if (start >= bottom) return
  const { pixels, width } = raster
  const line = start * width
  for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
    pixels.fill(fillOf(scene, i), line + layout.x0[i], line + rightEdge(scene, i))
  }
  for (let y = start + 1; y < bottom; y++) pixels.copyWithin(y * width, line, line + width)
  for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
    decorate(raster, scene, i, top, start, bottom)
  }
}

/** Boxes wide enough to spare it leave a gap to the next one. */
function rightEdge({ layout, rows: { gap } }: Scene, box: number): number {
  const { x0, x1 } = layout
  return x1[box] - x0[box] > 3 * gap ? x1[box] - gap : x1[box]
}

function fillOf(scene: Scene, box: number): number {
  const { layout, tree, palette, profile } = scene
  if (layout.hidden[box] > 0) return palette.run
  const fn = tree.frame[layout.node[box]]
  if (fn < 0) return palette.root
  if (profile.kinds[fn] === OMITTED) return palette.fills[fn]
  const at = scene.nodeFills ? layout.node[box] : fn
  const { fills, faded } = scene.nodeFills ?? palette
  return isFaded(scene, layout.node[box]) ? faded[at] : fills[at]
}

/** What search leaves out, and, without a search, what lies above the zoomed frame. */
export function isFaded({ matched, tree, zoom }: Scene, node: number): boolean {
  if (matched !== undefined) return matched[tree.frame[node]] === 0
  return tree.depth[node] < tree.depth[zoom]
}

function decorate(raster: Raster, scene: Scene, box: number, top: number, start: number, bottom: number) {
  const { layout, tree, profile, palette, rows } = scene
  const { gap } = rows
  if (layout.hidden[box] > 0) return
  const node = layout.node[box]
  const fn = tree.frame[node]
  if (fn < 0) return
  const x0 = layout.x0[box]
  const x1 = rightEdge(scene, box)
  if (profile.kinds[fn] === OMITTED) {
    hatch(raster, palette.hatch, x0, x1, start, bottom)
    return
  }
  const mark = scene.nodeFills ? undefined : MARKS[KINDS[profile.kinds[fn]]]
  if (mark === undefined || isFaded(scene, node)) return
  const edge = top + rows.height - gap
  for (let y = Math.max(edge - gap, start); y < Math.min(edge, bottom); y++) {
    dashes(raster, palette.marks[fn], x0, x1, y, mark[0] * gap, mark[1] * gap)
  }
}

function dashes(r: Raster, pixel: number, x0: number, x1: number, y: number, on: number, off: number) {
  if (off === 0) {
    r.pixels.fill(pixel, y * r.width + x0, y * r.width + x1)
    return
  }
  for (let x = x0; x < x1; x += on + off) {
    r.pixels.fill(pixel, y * r.width + x, y * r.width + Math.min(x + on, x1))
  }
}

function hatch({ pixels, width }: Raster, pixel: number, x0: number, x1: number, y0: number, y1: number) {
  for (let y = y0; y < y1; y++) {
    const phase = (((x0 + y) % HATCH_PERIOD) + HATCH_PERIOD) % HATCH_PERIOD
    for (let x = x0 + ((HATCH_PERIOD - phase) % HATCH_PERIOD); x < x1; x += HATCH_PERIOD) {
      pixels[y * width + x] = pixel
    }
  }
}
