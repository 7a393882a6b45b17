/** Reads and changes the URL, and tells React when it changes. */
import { useMemo, useSyncExternalStore } from 'react'
import { changed, formatUrl, parseUrl, type UrlState } from '../url'

const CHANGED = 'podflame:url'

function subscribe(onChange: () => void): () => void {
  window.addEventListener('popstate', onChange)
  window.addEventListener(CHANGED, onChange)
  return () => {
    window.removeEventListener('popstate', onChange)
    window.removeEventListener(CHANGED, onChange)
  }
}

export function currentUrl(): UrlState {
  const { pathname, search, hash } = window.location
  return parseUrl(pathname, search, hash)
}

export function useUrl(): UrlState {
  const href = useSyncExternalStore(subscribe, () => window.location.href)
  return useMemo(() => {
    const { pathname, search, hash } = new URL(href)
    return parseUrl(pathname, search, hash)
  }, [href])
}

/** Goes to a URL of this UI. `replace` adds no step to the browser's history: for typing and correcting. */
export function goTo(href: string, replace = false) {
  if (replace) window.history.replaceState(null, '', href)
  else window.history.pushState(null, '', href)
  window.dispatchEvent(new Event(CHANGED))
}

/** Changes some of the state and keeps the rest. */
export function change(part: Partial<UrlState>, replace = false) {
  goTo(formatUrl(changed(currentUrl(), part)), replace)
}
