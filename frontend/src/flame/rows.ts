/** Where rows are on the canvas, in device pixels: from the top down, or upward from the bottom. */

export interface Rows {
  count: number // of the layout, the folded ones too
  fold: number // rows above the zoomed frame, out of sight; a fraction while the zoom moves
  height: number // of one row, with the gap
  gap: number // between rows and between boxes
  scroll: number
  sight: number // height of the canvas
  upward: boolean // the root is at the bottom
}

/** The height of all rows; at least that of the canvas. */
export function contentHeight({ count, fold, height, sight }: Rows): number {
  return Math.max(Math.round((count - fold) * height), sight)
}

export function topOf(rows: Rows, row: number): number {
  const y = Math.round((row - rows.fold) * rows.height)
  return rows.upward ? contentHeight(rows) - y - rows.height - rows.scroll : y - rows.scroll
}

export function rowAt(rows: Rows, y: number): number {
  const inContent = rows.upward ? contentHeight(rows) - rows.scroll - y - 1 : y + rows.scroll
  return Math.floor(inContent / rows.height + rows.fold)
}

/** The rows in sight: from first to before last. */
export function visibleRows(rows: Rows): readonly [number, number] {
  const [a, b] = [rowAt(rows, 0), rowAt(rows, rows.sight - 1)]
  const first = Math.max(Math.min(a, b), Math.floor(rows.fold), 0)
  return [first, Math.max(Math.min(Math.max(a, b) + 1, rows.count), first)]
}
