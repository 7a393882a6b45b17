/**
 * The keyboard shortcuts of what is on screen: one listener, one list, and "?" shows it. Here as everywhere, listeners
 * are attached in layout effects: what can be seen answers to keys and pointer.
 */
import {
  createContext,
  type ReactNode,
  useContext,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import { Dialog } from './Dialog'
import { isTyping, type Key, keyOf } from './keys'

/** Without `run` the shortcut is only listed: the part that has the focus answers to its keys itself. */
export interface Shortcut {
  keys: readonly Key[]
  label: string
  run?(key: Key): void
}

interface Group {
  name: string
  shortcuts: readonly Shortcut[]
}

class Registry {
  groups: readonly Group[] = []
  private readonly listeners = new Set<() => void>()

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Returns what takes the group away again. */
  add(group: Group): () => void {
    this.set([...this.groups, group])
    return () => this.set(this.groups.filter(g => g !== group))
  }

  /** Whether somebody answers to the key: who came last comes first. */
  press(key: Key): boolean {
    for (const { shortcuts } of this.groups.toReversed()) {
      const found = shortcuts.find(s => s.run && s.keys.includes(key))
      if (!found) continue
      found.run?.(key)
      return true
    }
    return false
  }

  private set(groups: readonly Group[]) {
    this.groups = groups
    for (const listener of this.listeners) listener()
  }
}

const Shortcuts = createContext<Registry | undefined>(undefined)

export function ShortcutsProvider({ children }: { children: ReactNode }) {
  const registry = useMemo(() => new Registry(), [])
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const key = keyOf(event)
      if (event.defaultPrevented || (isTyping(event.target) && !key.startsWith('Ctrl+'))) return
      if (document.querySelector('dialog[open]') && !key.startsWith('Ctrl+')) return
      if (registry.press(key)) event.preventDefault()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [registry])
  return <Shortcuts value={registry}>{children}</Shortcuts>
}

function useRegistry(): Registry {
  const registry = useContext(Shortcuts)
  if (!registry) throw new Error('useShortcuts outside of ShortcutsProvider')
  return registry
}

/**
 * Registers shortcuts while the component is on screen. Keys and labels are taken from the first render and when they
 * change; `run` is always that of the latest render.
 */
export function useShortcuts(group: string, shortcuts: readonly Shortcut[]) {
  const registry = useRegistry()
  const latest = useRef(shortcuts)
  useLayoutEffect(() => {
    latest.current = shortcuts
  })
  const shape = JSON.stringify(shortcuts.map(s => [s.keys, s.label, s.run !== undefined]))
  useLayoutEffect(() => {
    const listed = (JSON.parse(shape) as [Key[], string, boolean][]).map(([keys, label, runs], i) => ({
      keys,
      label,
      run: runs ? (key: Key) => latest.current[i]?.run?.(key) : undefined,
    }))
    return registry.add({ name: group, shortcuts: listed })
  }, [registry, group, shape])
}

/** The list of what is registered, which "?" opens. */
export function ShortcutHelp() {
  const registry = useRegistry()
  const groups = useSyncExternalStore(registry.subscribe, () => registry.groups)
  const [open, setOpen] = useState(false)
  useShortcuts('Anywhere', [{ keys: ['?'], label: 'Show this list', run: () => setOpen(true) }])
  if (!open) return null
  return (
    <Dialog title="Keyboard shortcuts" className="shortcut-help" onClose={() => setOpen(false)}>
      {merged(groups).map(({ name, shortcuts }) => (
        <section key={name}>
          <h3>{name}</h3>
          <dl>
            {shortcuts.map(({ keys, label }) => (
              <div key={label}>
                <dt>
                  {keys.map(key => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{label}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  )
}

/** Groups of one name as one. */
function merged(groups: readonly Group[]): Group[] {
  const byName = new Map<string, Shortcut[]>()
  for (const { name, shortcuts } of groups) byName.set(name, [...(byName.get(name) ?? []), ...shortcuts])
  return [...byName].map(([name, shortcuts]) => ({ name, shortcuts }))
}
