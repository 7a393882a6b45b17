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
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  let value = bytes
  while (value >= 1023.5 && i < units.length - 1) {
    value /= 1024
    i++
  }
  return (i === 0 ? whole.format(value) : significant(value)) + SPACE + units[i]
}

/** A value of a type, in its unit. */
export function formatValue(unit: string, value: number): string {
  if (unit === 'ns') return formatDuration(value)
  if (unit === 'bytes') return formatBytes(value)
  return significant(value) + SPACE + unit
}

/** A value per second: time per time is a number of cores (cpu), or of threads (lock, wall). */
export function formatRate(type: ProfileType, perSecond: number): string {
  if (type === 'alloc') return `${formatBytes(perSecond)}/s`
  const ratio = perSecond / 1e9
  const unit = type === 'cpu' ? 'core' : 'thread'
  const text = ratio !== 0 && ratio < 0.001 ? '< 0.001' : significant(Math.round(ratio * 1000) / 1000)
  return `${text}${SPACE}${unit}${text === '1' ? '' : 's'}`
}

/** A share. The caller shows what it is a share of. */
export function formatPercent(part: number, whole_: number): string {
  if (whole_ <= 0) return '–'
  const percent = (100 * part) / whole_
  if (percent === 0) return `0${SPACE}%`
  if (percent < 0.01) return `<${SPACE}0.01${SPACE}%`
  if (percent < 9.995) return `${percent.toFixed(2) + SPACE}%`
  if (percent < 99.95) return `${percent.toFixed(1) + SPACE}%`
  return `${percent < 100 ? '99.9' : percent.toFixed(0)}${SPACE}%`
}

/** What a value of the type is called, to stand after an amount. */
export const TYPE_LABELS: Record<ProfileType, { tab: string; amount: string }> = {
  cpu: { tab: 'CPU', amount: 'CPU time' },
  alloc: { tab: 'Allocation', amount: 'allocated' },
  lock: { tab: 'Lock', amount: 'lock delay' },
  wall: { tab: 'Wall clock', amount: 'wall-clock time' },
}
