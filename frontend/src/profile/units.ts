/** Amounts for people. Every text carries its unit. */
import type { ProfileType } from '../api/types'

/** A space at which no line breaks. */
const SPACE = '\u00a0'
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** Three significant digits, no exponent, no trailing zeros: 0.0123, 1.23, 12.3, 123, 1,234. */
export function significant(value: number): string {
  if (value === 0) return '0'
  const magnitude = Math.floor(Math.log10(Math.abs(value)))
  const digits = Math.min(Math.max(2 - magnitude, 0), 8)
  return new Intl.NumberFormat('en-US', { maximumFractionDigits: digits }).format(value)
}

export function formatCount(count: number): string {
  return whole.format(count)
}

/** "1 window", "2 windows": of a word whose plural is made by an s. */
export function formatCounted(count: number, plural: string): string {
  return `${formatCount(count)} ${count === 1 ? plural.replace(/s$/, '') : plural}`
}

/** What is only an estimate looks like one: of waits for locks a part is recorded, and stands for the rest. */
export function formatSamples(count: number, countUnit: string): string {
  return (countUnit === ESTIMATED_UNIT ? `≈${SPACE}` : '') + formatCounted(count, countUnit)
}

export const ESTIMATED_UNIT = 'contentions'

/** Nanoseconds: 840 µs, 12.3 ms, 1.24 s, 8 m 32 s, 3 h 05 m, 2 d 4 h. */
export function formatDuration(ns: number): string {
  if (ns === 0) return `0${SPACE}s`
  if (ns < 1e3) return `${significant(ns) + SPACE}ns`
  if (ns < 999.5e3) return `${significant(ns / 1e3) + SPACE}µs`
  if (ns < 999.5e6) return `${significant(ns / 1e6) + SPACE}ms`
  if (ns < 59.95e9) return `${significant(ns / 1e9) + SPACE}s`
  return formatLongDuration(Math.round(ns / 1e9))
}

function formatLongDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const days = Math.floor(hours / 24)
  if (days > 0) return pair(whole.format(days), 'd', hours % 24, 'h')
  if (hours > 0) return pair(String(hours), 'h', minutes % 60, 'm')
  return pair(String(minutes), 'm', seconds % 60, 's')
}

function pair(major: string, majorUnit: string, minor: number, minorUnit: string): string {
  const head = major + SPACE + majorUnit
  return minor === 0 ? head : `${head}${SPACE}${minor}${SPACE}${minorUnit}`
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']
  let i = 0
  let value = bytes
  while (value >= 1023.5 && i < units.length - 1) {
    value /= 1024
    i++
  }
  return (i === 0 ? whole.format(value) : significant(value)) + SPACE + units[i]
}

/** A value of a type, in its unit; counts have none. */
export function formatValue(unit: string, value: number): string {
  if (unit === 'ns') return formatDuration(value)
  if (unit === 'bytes') return formatBytes(value)
  return unit === '' ? significant(value) : significant(value) + SPACE + unit
}

/** One unit for a column, so that its figures can be compared by their length. */
export interface Scale {
  label: string // of the unit; empty for counts
  divisor: number
  digits: number // after the point
}

/** From which value on a unit is used, and what it is worth: a column of small fractions of hours says little. */
const TIME_SCALES: readonly (readonly [string, number, number])[] = [
  ['h', 3600e9, 36_000e9],
  ['min', 60e9, 600e9],
  ['s', 1e9, 1e9],
  ['ms', 1e6, 1e6],
  ['µs', 1e3, 1e3],
  ['ns', 1, 1],
]
const BYTE_SCALES = (['TiB', 'GiB', 'MiB', 'KiB', 'B'] as const).map((label, i) => {
  const size = 1024 ** (4 - i)
  return [label, size, size] as const
})

/** The unit for a column whose largest value is most: three digits of it, and at least one after the point. */
export function scaleFor(unit: string, most: number): Scale {
  const scales = { ns: TIME_SCALES, bytes: BYTE_SCALES }[unit] ?? [['', 1, 1] as const]
  const [label, divisor] = scales.find(([, , from]) => most >= from) ?? scales[scales.length - 1]
  if (divisor === 1) return { label, divisor, digits: 0 }
  return { label, divisor, digits: Math.max(2 - Math.floor(Math.log10(most / divisor)), 1) }
}

/** What is not nothing does not look like it. */
export function formatScaled({ divisor, digits }: Scale, value: number): string {
  const least = 10 ** -digits
  const scaled = value / divisor
  if (value > 0 && scaled < least / 2) return `<${SPACE}${least.toFixed(digits)}`
  return new Intl.NumberFormat('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(scaled)
}

export const unitOf = (type: ProfileType) =>
  type === 'alloc' || type === 'live' || type === 'nativemem' ? 'bytes' : 'ns'

/** A value per second: time per time is a number of cores (cpu), or of threads (lock, wall). */
export function formatRate(type: ProfileType, perSecond: number): string {
  if (unitOf(type) === 'bytes') return `${formatBytes(perSecond)}/s`
  const ratio = perSecond / 1e9
  const unit = type === 'cpu' ? 'core' : 'thread'
  const text = ratio !== 0 && ratio < 0.001 ? '< 0.001' : significant(Math.round(ratio * 1000) / 1000)
  return `${text}${SPACE}${unit}${text === '1' ? '' : 's'}`
}

/** A share. The caller shows what it is a share of. */
export function formatPercent(part: number, whole_: number): string {
  return whole_ <= 0 ? '–' : `${formatShare(part, whole_)}${SPACE}%`
}

/** A percentage without its sign, for a column that has it in its head. */
export function formatShare(part: number, whole_: number): string {
  if (whole_ <= 0) return '–'
  const percent = (100 * part) / whole_
  if (percent === 0) return '0'
  if (percent < 0.01) return `<${SPACE}0.01`
  if (percent < 9.995) return percent.toFixed(2)
  if (percent < 99.95) return percent.toFixed(1)
  return percent < 100 ? '99.9' : percent.toFixed(0)
}

/** In the order in which they are offered. */
export const PROFILE_TYPES: readonly ProfileType[] = [
  'cpu',
  'alloc',
  'lock',
  'wall',
  'live',
  'nativemem',
  'nativelock',
]

/** What a value of the type is called, to stand after an amount. */
export const TYPE_LABELS: Record<ProfileType, { tab: string; amount: string }> = {
  cpu: { tab: 'CPU', amount: 'CPU time' },
  alloc: { tab: 'Allocation', amount: 'allocated' },
  lock: { tab: 'Lock', amount: 'lock delay' },
  wall: { tab: 'Wall clock', amount: 'wall-clock time' },
  live: { tab: 'Live heap', amount: 'surviving GC' },
  nativemem: { tab: 'Native memory', amount: 'allocated by malloc' },
  nativelock: { tab: 'Native lock', amount: 'native lock delay' },
}
