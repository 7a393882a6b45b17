import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { MAX_QUERY_LENGTH } from '../profile/search'
import { Icon } from './Icon'
import { useShortcuts } from './shortcuts'

export { isTyping } from './keys'

const TYPING_PAUSE_MS = 120

interface Props {
  value: string
  label: string
  placeholder?: string
  invalid?: boolean
  onChange(value: string): void
  onEnter?(backwards: boolean, text: string): void
}

/** A search box that "/" focuses from anywhere on the screen and Escape leaves. */
export function SearchField({ value, label, placeholder = label, invalid, onChange, onEnter }: Props) {
  const ref = useRef<HTMLInputElement>(null)
  const [text, setText, handOn] = useTyped(value, onChange)
  useShortcuts('Anywhere', [
    {
      keys: ['/'],
      label,
      run: () => {
        ref.current?.focus()
        ref.current?.select()
      },
    },
  ])
  return (
    <search className="search">
      <input
        ref={ref}
        className="field"
        type="search"
        value={text}
        maxLength={MAX_QUERY_LENGTH}
        placeholder={placeholder}
        aria-label={label}
        aria-invalid={invalid}
        aria-keyshortcuts="/"
        spellCheck={false}
        autoComplete="off"
        onChange={e => setText(e.target.value)}
        onKeyDown={e => {
          if (e.key === 'Escape') e.currentTarget.blur()
          if (e.key !== 'Enter') return
          handOn()
          onEnter?.(e.shiftKey, text)
        }}
      />
      <Icon name="search" />
      <kbd aria-hidden="true">/</kbd>
    </search>
  )
}

/** What is typed, handed on when the typing pauses or at will: browsers limit how often the URL may change. */
function useTyped(
  value: string,
  onChange: (value: string) => void,
): [text: string, setText: (text: string) => void, handOn: () => void] {
  const [typed, setTyped] = useState<string>()
  const handOn = () => {
    if (typed === undefined) return
    setTyped(undefined)
    onChange(typed)
  }
  const pause = useRef(handOn)
  useLayoutEffect(() => {
    pause.current = handOn
  })
  useEffect(() => {
    if (typed === undefined) return undefined
    const timer = window.setTimeout(() => pause.current(), TYPING_PAUSE_MS)
    return () => window.clearTimeout(timer)
  }, [typed])
  return [typed ?? value, setTyped, handOn]
}
