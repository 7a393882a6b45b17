import { type ReactNode, useLayoutEffect, useRef } from 'react'
import { Icon } from './Icon'

interface Props {
  title: string
  className?: string
  onClose(): void
  children: ReactNode
}

/**
 * A modal dialog, open as long as it is rendered. Escape, its button and a click beside it close it. If it has a field,
 * that has the focus: a browser would give it to the button, which comes first.
 */
export function Dialog({ title, className = '', onClose, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const dialog = ref.current
    if (!dialog) return undefined
    const before = document.activeElement
    dialog.showModal()
    dialog.querySelector('input')?.focus()
    return () => {
      dialog.close()
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has Escape and the button
    <dialog
      ref={ref}
      className={`dialog ${className}`}
      aria-label={title}
      onCancel={event => {
        event.preventDefault()
        onClose()
      }}
      onClick={event => {
        if (event.target === event.currentTarget) onClose()
      }}
    >
      <div className="dialog-body">
        <header>
          <h2>{title}</h2>
          <button type="button" className="button quiet square" aria-label="Close" onClick={onClose}>
            <Icon name="bad" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  )
}
