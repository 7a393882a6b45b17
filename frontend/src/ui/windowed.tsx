/** Only the rows in sight (and some around them) of a long table are in the document. */
import { type RefObject, useCallback, useLayoutEffect, useState } from 'react'

const OVERSCAN = 8
/** No screen is taller; a layout that grows with its rows must not make them all. */
const MOST_ROWS = 300

export function useWindowedRows(host: RefObject<HTMLElement | null>, rows: number, rowHeight: number) {
  const [sight, setSight] = useState({ top: 0, height: 600 })
  useLayoutEffect(() => {
    const element = host.current
    if (!element) return undefined
    const look = () => setSight({ top: element.scrollTop, height: element.clientHeight })
    look()
    const resizes = new ResizeObserver(look)
    resizes.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      resizes.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [host])
  const scrollTo = useCallback(
    (row: number) => {
      const element = host.current
      if (!element) return
      const top = row * rowHeight
      const inSight =
        top >= element.scrollTop && top + 2 * rowHeight <= element.scrollTop + element.clientHeight
      if (!inSight) element.scrollTop = Math.max(top - element.clientHeight / 3, 0)
    },
    [host, rowHeight],
  )
  const first = Math.min(Math.max(Math.floor(sight.top / rowHeight) - OVERSCAN, 0), rows)
  const last = Math.min(Math.ceil((sight.top + sight.height) / rowHeight) + OVERSCAN, first + MOST_ROWS, rows)
  return { first, last, scrollTo }
}

interface FillerProps {
  rows: number
  rowHeight: number
  columns: number
}

/** The place of rows that are not in the document. */
export function Filler({ rows, rowHeight, columns }: FillerProps) {
  if (rows <= 0) return null
  return (
    <tr aria-hidden="true">
      <td colSpan={columns} style={{ height: rows * rowHeight, padding: 0, border: 0 }} />
    </tr>
  )
}
