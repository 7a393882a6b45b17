/** Labels of a time axis. */
const DAY_MS = 86_400_000
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const exact = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** An instant on an axis that is `span` long: with its day where the axis is longer than one. */
export function formatAxis(ms: number, span: number): string {
  const time = ms % 60_000 === 0 ? clock.format(ms) : exact.format(ms)
  if (span <= DAY_MS) return time
  return time === '00:00' ? day.format(ms) : `${day.format(ms)}, ${time}`
}

/** With its day, for who does not see the axis. */
export function formatMoment(ms: number): string {
  return `${day.format(ms)}, ${clock.format(ms)}`
}
