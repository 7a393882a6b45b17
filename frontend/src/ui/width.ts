import { type RefObject, useLayoutEffect, useState, useSyncExternalStore } from 'react'

/** The width of an element in CSS pixels; 0 until it is known. */
export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return undefined
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    setWidth(element.clientWidth)
    return () => observer.disconnect()
  }, [ref])
  return width
}

/** A window as narrow as a telephone; compact.css says the same. */
const narrow = () => window.matchMedia('(width < 560px)')

export function isNarrow(): boolean {
  return narrow().matches
}

export function useNarrow(): boolean {
  return useSyncExternalStore(onNarrow, isNarrow)
}

function onNarrow(changed: () => void): () => void {
  const query = narrow()
  query.addEventListener('change', changed)
  return () => query.removeEventListener('change', changed)
}
