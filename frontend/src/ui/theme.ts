/** Dark or light: as the system has it, unless the user has said otherwise on this browser. */
import { useSyncExternalStore } from 'react'
import type { Theme } from '../flame/colors'

const KEY = 'podflame.theme'
const CHANGED = 'podflame:theme'

function chosen(): Theme | undefined {
  try {
    const value = window.localStorage.getItem(KEY)
    return value === 'light' || value === 'dark' ? value : undefined
  } catch {
    return undefined // storage is forbidden: follow the system
  }
}

function system(): Theme {
  return window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}

/** Call before the first paint. */
export function applyTheme() {
  const theme = chosen()
  if (theme) document.documentElement.dataset.theme = theme
  else delete document.documentElement.dataset.theme
}

export function toggleTheme() {
  const next = currentTheme() === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = next
  try {
    if (next === system()) window.localStorage.removeItem(KEY)
    else window.localStorage.setItem(KEY, next)
  } catch {
    // the choice holds until the page is left
  }
  window.dispatchEvent(new Event(CHANGED))
}

function currentTheme(): Theme {
  const set = document.documentElement.dataset.theme
  return set === 'light' || set === 'dark' ? set : system()
}

function subscribe(onChange: () => void): () => void {
  const query = window.matchMedia('(prefers-color-scheme: dark)')
  query.addEventListener('change', onChange)
  window.addEventListener(CHANGED, onChange)
  return () => {
    query.removeEventListener('change', onChange)
    window.removeEventListener(CHANGED, onChange)
  }
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, currentTheme)
}
