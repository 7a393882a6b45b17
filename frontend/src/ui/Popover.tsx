import { type ReactNode, useLayoutEffect, useRef } from 'react'

interface Props {
  summary: ReactNode
  label?: string
  className?: string
  bodyClass?: string
  onOpen?: (open: boolean) => void
  children: (close: () => void) => ReactNode
}

/** A button that opens a panel below it. Escape and a click elsewhere close it. */
export function Popover({ summary, label, className = '', bodyClass = '', onOpen, children }: Props) {
  const ref = useRef<HTMLDetailsElement>(null)
  const close = () => {
    if (ref.current) ref.current.open = false
  }
  useLayoutEffect(() => {
    const details = ref.current
    if (!details) return undefined
    const onPointer = (event: PointerEvent) => {
      if (event.target instanceof Node && !details.contains(event.target)) details.open = false
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || !details.open) return
      details.open = false
      details.querySelector('summary')?.focus()
    }
    document.addEventListener('pointerdown', onPointer)
    details.addEventListener('keydown', onKey)
    return () => {
      document.removeEventListener('pointerdown', onPointer)
      details.removeEventListener('keydown', onKey)
    }
  }, [])
  return (
    <details className={`popover ${className}`} ref={ref} onToggle={e => onOpen?.(e.currentTarget.open)}>
      <summary className="button" aria-label={label}>
        {summary}
      </summary>
      <div className={`popover-body ${bodyClass}`}>{children(close)}</div>
    </details>
  )
}
