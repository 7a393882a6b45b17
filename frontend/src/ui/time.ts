/** Instants and ages for people, in the browser's time zone. */
import { formatDuration } from '../profile/units'
import type { TimeRange } from '../url'

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const clockShort = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const dayAndClock = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})

export function formatClock(ms: number): string {
  return clock.format(ms)
}

/** With the date only if it is not today's. */
export function formatInstant(ms: number, now = Date.now()): string {
  return new Date(ms).toDateString() === new Date(now).toDateString()
    ? clock.format(ms)
    : dayAndClock.format(ms)
}

export function formatAge(ms: number, now = Date.now()): string {
  const seconds = Math.round((now - ms) / 1000)
  if (seconds < 1) return 'just now'
  if (seconds < 60) return `${formatDuration(seconds * 1e9)} ago`
  const unit = seconds < 3600 ? 60 : seconds < 86_400 ? 3600 : 86_400
  return `${formatDuration(Math.floor(seconds / unit) * unit * 1e9)} ago`
}

const PRESET_UNITS: readonly (readonly [number, string])[] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
]

export function formatSpanWords(seconds: number): string {
  const [length, unit] = PRESET_UNITS.find(([l]) => seconds % l === 0) ?? [1, 'second']
  const n = seconds / length
  return n === 1 ? unit : `${n} ${unit}s`
}

export function formatRangeLabel(range: TimeRange): string {
  if (range.kind === 'last') return `Last ${formatSpanWords(range.seconds)}`
  return formatBetween(range.from * 1000, range.to * 1000)
}

export function formatBetween(from: number, to: number): string {
  const sameDay = new Date(from).toDateString() === new Date(to).toDateString()
  const short = from % 60_000 === 0 && to % 60_000 === 0
  const end = sameDay ? (short ? clockShort : clock).format(to) : dayAndClock.format(to)
  const today = sameDay && new Date(to).toDateString() === new Date().toDateString()
  return `${today ? (short ? clockShort : clock).format(from) : dayAndClock.format(from)} – ${end}`
}
