/** The clock of the screens. It stands still unless "live" is on, so that every query of a screen sees one range. */
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import type { TimeRange } from '../url'
import { resolveRange } from '../url'

const SHORTEST_STEP = 10
const LONGEST_STEP = 120

interface Live {
  live: boolean
  setLive(live: boolean): void
  now: number // Unix seconds
  refresh(): void
  waiting: boolean // a refresh is due, and somebody holds it
  hold(): () => void // no refresh by itself until the answer is called
}

const LiveContext = createContext<Live | undefined>(undefined)

/** Seconds between two refreshes: a longer range costs more and changes less. */
export function refreshSeconds(range: TimeRange): number {
  if (range.kind === 'between') return LONGEST_STEP
  return Math.min(Math.max(Math.round(range.seconds / 90), SHORTEST_STEP), LONGEST_STEP)
}

export function LiveProvider({ range, children }: { range: TimeRange; children: ReactNode }) {
  const [live, setLive] = useState(true)
  const [now, setNow] = useState(unixNow)
  const [waiting, setWaiting] = useState(false)
  const holds = useRef(0)
  const refresh = useCallback(() => {
    setWaiting(false)
    setNow(unixNow())
  }, [])
  const hold = useCallback(() => {
    holds.current++
    return () => {
      holds.current--
    }
  }, [])
  const step = refreshSeconds(range)
  const ticking = live && range.kind === 'last'
  useEffect(() => {
    if (!ticking) return undefined
    const tick = () => {
      if (document.hidden) return
      if (holds.current > 0) setWaiting(true)
      else refresh()
    }
    const timer = window.setInterval(tick, step * 1000)
    document.addEventListener('visibilitychange', tick)
    return () => {
      window.clearInterval(timer)
      document.removeEventListener('visibilitychange', tick)
    }
  }, [ticking, step, refresh])
  const shownWaiting = waiting && ticking
  const value = useMemo(
    () => ({ live, setLive, now, refresh, waiting: shownWaiting, hold }),
    [live, now, refresh, shownWaiting, hold],
  )
  return <LiveContext value={value}>{children}</LiveContext>
}

export function useLive(): Live {
  const live = useContext(LiveContext)
  if (!live) throw new Error('useLive outside of LiveProvider')
  return live
}

/** Nothing refreshes by itself while a user is at something that new data would disturb. */
export function useHold(held: boolean) {
  const { hold } = useLive()
  useLayoutEffect(() => (held ? hold() : undefined), [held, hold])
}

/** The range on screen in Unix seconds. */
export function useResolved(range: TimeRange): { from: number; to: number } {
  const { now } = useLive()
  return useMemo(() => resolveRange(range, now), [range, now])
}

function unixNow(): number {
  return Math.floor(Date.now() / 1000)
}
