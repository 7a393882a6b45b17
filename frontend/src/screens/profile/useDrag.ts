/** A horizontal drag over an element, in its own pixels. */
import { type RefObject, useLayoutEffect, useRef, useState } from 'react'

/** Shorter movements are clicks. */
const MIN_DRAG = 5

interface Drag {
  x0: number
  x1: number
}

export function useDrag(
  ref: RefObject<HTMLElement | null>,
  onDone: (x0: number, x1: number) => void,
): Drag | undefined {
  const [drag, setDrag] = useState<Drag>()
  const done = useRef(onDone)
  useLayoutEffect(() => {
    done.current = onDone
  })
  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return undefined
    const stop = new AbortController()
    let start: number | undefined
    const at = (event: PointerEvent) => {
      const { left, width } = element.getBoundingClientRect()
      return Math.min(Math.max(event.clientX - left, 0), width)
    }
    const between = (x: number): Drag => ({ x0: Math.min(start ?? x, x), x1: Math.max(start ?? x, x) })
    const end = (event: PointerEvent) => {
      if (start === undefined) return
      const { x0, x1 } = between(at(event))
      start = undefined
      setDrag(undefined)
      if (event.type === 'pointerup' && x1 - x0 >= MIN_DRAG) done.current(x0, x1)
    }
    const options = { signal: stop.signal }
    element.addEventListener(
      'pointerdown',
      event => {
        if (event.button !== 0) return
        start = at(event)
        element.setPointerCapture(event.pointerId)
      },
      options,
    )
    element.addEventListener(
      'pointermove',
      event => {
        if (start !== undefined) setDrag(between(at(event)))
      },
      options,
    )
    element.addEventListener('pointerup', end, options)
    element.addEventListener('pointercancel', end, options)
    return () => stop.abort()
  }, [ref])
  return drag
}
