import { useEffect, useId, useMemo, useState } from 'react'
import { useServices, useTop } from '../api/queries'
import { compareLink, linkTo, type Screen, type UrlState } from '../url'
import { type Command, matching } from './commands'
import { Dialog } from './Dialog'
import { useLive, useResolved } from './live'
import { goTo } from './location'
import { useShortcuts } from './shortcuts'
import { toggleTheme } from './theme'

const TYPING_PAUSE_MS = 150
const SHORTEST_FUNCTION = 2

/** Ctrl+K: goes to a service, a function or a screen, or does something, by typing a part of its name. */
export function Palette({ url }: { url: UrlState }) {
  const [open, setOpen] = useState(false)
  useShortcuts('Anywhere', [
    { keys: ['Ctrl+K'], label: 'Go to a service, function or action', run: () => setOpen(true) },
  ])
  if (!open) return null
  return (
    <Dialog title="Go to" className="palette" onClose={() => setOpen(false)}>
      <Box url={url} onDone={() => setOpen(false)} />
    </Dialog>
  )
}

function Box({ url, onDone }: { url: UrlState; onDone(): void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const id = useId()
  const commands = useCommands(url, useSettled(text.trim()))
  const shown = matching(commands, text)
  const chosen = Math.min(at, shown.length - 1)
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: 'nearest' })
  }, [id, chosen])
  const choose = (command: Command | undefined) => {
    if (!command) return
    onDone()
    command.run()
  }
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) setAt((chosen + step + shown.length) % Math.max(shown.length, 1))
    else if (event.key === 'Enter') choose(shown[chosen])
    else return
    event.preventDefault()
  }
  return (
    <>
      <input
        className="field"
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
        aria-label="Service, function or action"
        placeholder="Service, function or action"
        spellCheck={false}
        autoComplete="off"
        value={text}
        onChange={event => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={onKey}
      />
      <div id={id} role="listbox" aria-label="Matches">
        {shown.map((command, i) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field, which names the active option
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys
          <div
            key={`${command.group} ${command.label} ${command.detail}`}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === chosen}
            onClick={() => choose(command)}
            onPointerMove={() => setAt(i)}
          >
            <span className="palette-label">{command.label}</span>
            <span className="muted small">{command.detail}</span>
            <span className="muted small palette-group">{command.group}</span>
          </div>
        ))}
      </div>
      {shown.length === 0 && <p className="muted">Nothing matches “{text}”.</p>}
    </>
  )
}

/** A text once its typing has paused: each asks the backend. */
function useSettled(text: string): string {
  const [settled, settle] = useState(text)
  useEffect(() => {
    const timer = window.setTimeout(() => settle(text), TYPING_PAUSE_MS)
    return () => window.clearTimeout(timer)
  }, [text])
  return settled
}

function useCommands(url: UrlState, text: string): Command[] {
  const range = useResolved(url.range)
  const services = useServices(range).data?.services
  const functions = useFunctions(url, text)
  const { live, setLive, refresh } = useLive()
  return useMemo(() => {
    const go = (href: string) => () => goTo(href)
    const screen = (label: string, name: Screen): Command => ({
      group: 'Screens',
      label,
      detail: '',
      run: go(linkTo(url, name)),
    })
    const { cluster, namespace, service } = url
    const here = { cluster, namespace, service, type: url.type }
    const threads = { thread: url.thread, excludeThread: url.excludeThread }
    const ofHere: Command[] =
      service === ''
        ? []
        : [
            { group: 'Screens', label: 'Profile', detail: service, run: go(linkTo(url, 'profile', here)) },
            {
              group: 'Screens',
              label: 'What changed',
              detail: service,
              run: go(linkTo(url, 'changes', { ...here, ...threads })),
            },
            { group: 'Screens', label: 'Compare', detail: service, run: go(compareLink(url)) },
          ]
    return [
      screen('Services', 'services'),
      screen('Functions of all services', 'functions'),
      screen('Targets', 'targets'),
      screen('Ingest', 'ingest'),
      ...ofHere,
      ...(services ?? []).map(
        (s): Command => ({
          group: 'Services',
          label: s.service,
          detail: [s.namespace, s.cluster].filter(Boolean).join(' · '),
          run: go(linkTo(url, 'profile', { cluster: s.cluster, namespace: s.namespace, service: s.service })),
        }),
      ),
      ...functions.map(
        (name): Command => ({
          group: 'Functions',
          label: name,
          detail: `in ${service}`,
          run: go(linkTo(url, 'profile', { ...here, fn: name, search: name })),
        }),
      ),
      { group: 'Actions', label: 'Change the theme', detail: 'dark or light', run: toggleTheme },
      { group: 'Actions', label: 'Refresh', detail: 'ask for everything again', run: refresh },
      {
        group: 'Actions',
        label: live ? 'Stop live' : 'Start live',
        detail: 'whether the screen refreshes by itself',
        run: () => setLive(!live),
      },
    ]
  }, [url, services, functions, live, setLive, refresh])
}

const NONE: string[] = []

/** Functions of the service on screen with the text in their name, heaviest first. */
function useFunctions(url: UrlState, text: string): string[] {
  const range = useResolved(url.range)
  const wanted = url.service !== '' && text.length >= SHORTEST_FUNCTION
  const top = useTop(url, range, 'total', [], wanted).data
  return useMemo(() => {
    if (!top || !wanted) return NONE
    const words = text.toLowerCase().split(/\s+/)
    return top.functions
      .map(f => f.name)
      .filter(name => words.every(word => name.toLowerCase().includes(word)))
      .slice(0, 50)
  }, [top, wanted, text])
}
