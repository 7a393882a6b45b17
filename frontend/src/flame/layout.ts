/** Which boxes are on screen: the work depends on the pixels, not on the size of the tree. */
import { ROOT, type Tree } from '../profile/tree'

/** The part of the value axis that fills the width. */
export interface Span {
  from: number
  to: number
}

/**
 * Boxes in rows from the root down, each row from left to right. Box i of row r (rowStart[r] ≤ i < rowStart[r+1])
 * covers the device pixels x0[i] ≤ x < x1[i]. `hidden[i]` is 0 for a node; for a run of siblings that are too
 * narrow to draw it is how many they are, and node[i] is the first (heaviest) of them.
 */
export interface Layout {
  width: number
  span: Span
  rows: number
  rowStart: number[]
  node: number[]
  x0: number[]
  x1: number[]
  hidden: number[]
}

/** Narrower boxes are not drawn one by one, in device pixels. */
export const MIN_BOX = 1.5

/** What is shown of a graph: a part of the value axis, without the rows above. */
export interface Sight extends Span {
  fold: number // rows that are folded away; a fraction while the zoom moves
}

export function sightOf(tree: Tree, node: number): Sight {
  return { ...spanOf(tree, node), fold: tree.depth[node] }
}

export function spanOf(tree: Tree, node: number): Span {
  return { from: tree.left[node], to: tree.left[node] + tree.total[node] }
}

export function layOut(tree: Tree, span: Span, width: number): Layout {
  const layout: Layout = { width, span, rows: 0, rowStart: [0], node: [], x0: [], x1: [], hidden: [] }
  const scale = width / (span.to - span.from)
  if (!(span.to > span.from) || width <= 0) return layout
  addBox(
    layout,
    ROOT,
    edge(tree.left[ROOT], span, scale, width),
    edge(tree.total[ROOT], span, scale, width),
    0,
  )
  closeRow(layout)
  for (let row = 0; layout.node.length > layout.rowStart[row]; row++) {
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
      if (layout.hidden[i] === 0) addChildren(layout, tree, layout.node[i], scale)
    }
    if (layout.node.length === layout.rowStart[row + 1]) break
    closeRow(layout)
  }
  return layout
}

function addChildren(layout: Layout, tree: Tree, parent: number, scale: number) {
  const { span, width } = layout
  const end = tree.childStart[parent + 1]
  for (let i = firstFrom(tree, parent, span.from); i < end; i++) {
    const child = tree.children[i]
    const left = tree.left[child]
    if (left >= span.to) return
    if (tree.total[child] * scale < MIN_BOX) {
      addRun(layout, tree, i, end, scale)
      return
    }
    const x0 = edge(left, span, scale, width)
    const x1 = edge(left + tree.total[child], span, scale, width)
    if (x1 > x0) addBox(layout, child, x0, x1, 0)
  }
}

/** Siblings are sorted by weight, so the rest from index i on is too narrow as well. */
function addRun(layout: Layout, tree: Tree, i: number, end: number, scale: number) {
  const { span, width } = layout
  const first = tree.children[i]
  const last = tree.children[end - 1]
  const x0 = edge(tree.left[first], span, scale, width)
  const x1 = edge(tree.left[last] + tree.total[last], span, scale, width)
  if (x1 > x0) addBox(layout, first, x0, x1, end - i)
}

/** Index of the first child that ends right of value. */
function firstFrom(tree: Tree, parent: number, value: number): number {
  let low = tree.childStart[parent]
  let high = tree.childStart[parent + 1]
  while (low < high) {
    const middle = (low + high) >> 1
    const child = tree.children[middle]
    if (tree.left[child] + tree.total[child] > value) high = middle
    else low = middle + 1
  }
  return low
}

function edge(value: number, span: Span, scale: number, width: number): number {
  return Math.min(Math.max(Math.round((value - span.from) * scale), 0), width)
}

function addBox(layout: Layout, node: number, x0: number, x1: number, hidden: number) {
  layout.node.push(node)
  layout.x0.push(x0)
  layout.x1.push(x1)
  layout.hidden.push(hidden)
}

function closeRow(layout: Layout) {
  layout.rowStart.push(layout.node.length)
  layout.rows++
}

/** The box at device pixel x of a row, or -1. */
export function hitTest(layout: Layout, row: number, x: number): number {
  if (row < 0 || row >= layout.rows) return -1
  let low = layout.rowStart[row]
  let high = layout.rowStart[row + 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (layout.x1[middle] > x) high = middle
    else low = middle + 1
  }
  return low < layout.rowStart[row + 1] && layout.x0[low] <= x ? low : -1
}

/** The box that shows node, or the run that hides it; -1 if it is out of sight. */
export function boxOf(layout: Layout, tree: Tree, node: number): number {
  const row = tree.depth[node]
  if (row >= layout.rows) return -1
  const scale = layout.width / (layout.span.to - layout.span.from)
  const middle = (tree.left[node] + tree.total[node] / 2 - layout.span.from) * scale
  const box = hitTest(layout, row, Math.min(Math.max(Math.floor(middle), 0), layout.width - 1))
  if (box < 0) return -1
  return layout.hidden[box] > 0 || layout.node[box] === node ? box : neighbour(layout, row, box, node)
}

/** Rounding to pixels can put the middle of a narrow box into the one beside it. */
function neighbour(layout: Layout, row: number, box: number, node: number): number {
  for (const i of [box - 1, box + 1]) {
    if (i >= layout.rowStart[row] && i < layout.rowStart[row + 1] && layout.node[i] === node) return i
  }
  return -1
}

/** The rows with a box of a function that is wanted, from the top. */
export function rowsOf(layout: Layout, tree: Tree, wanted: (fn: number) => boolean): number[] {
  const rows: number[] = []
  for (let row = 0; row < layout.rows; row++) {
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
      if (layout.hidden[i] > 0 || !wanted(tree.frame[layout.node[i]])) continue
      rows.push(row)
      break
    }
  }
  return rows
}
