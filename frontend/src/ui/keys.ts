/** How keys are named in the list of shortcuts, and which event is which. */

/**
 * A key as a person reads it: "n", "N" (with Shift), "?", "Enter", "Esc", "←", "Ctrl+K". Ctrl is Command on a Mac.
 * Keys without Ctrl do nothing while somebody types.
 */
export type Key = string

const NAMES: Record<string, string> = {
  Escape: 'Esc',
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  ' ': 'Space',
}

type Pressed = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>

export function keyOf({ key, ctrlKey, metaKey, altKey, shiftKey }: Pressed): Key {
  const name = NAMES[key] ?? key
  const ctrl = ctrlKey || metaKey
  if (altKey) return `Alt+${name}`
  if (ctrl) return `Ctrl+${name.length === 1 ? name.toUpperCase() : name}`
  return shiftKey && name.length > 1 ? `Shift+${name}` : name
}

/** Whether a key goes into a field, so that no shortcut may take it. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)
}
