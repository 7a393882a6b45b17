/** One unit for all amounts of a column, so that their digits can be compared. */
import type { ProfileType } from '../../api/types'
import { unitOf } from '../../profile/units'
import type { Scale } from '../../url'

export interface Column {
  unit: string
  format(amount: number): string
}

const BYTES = ['B/s', 'KiB/s', 'MiB/s', 'GiB/s', 'TiB/s']
const MOST_DIGITS = 6

/** `most` is the largest amount of the column: it has three significant digits. */
export function columnFor(
  type: ProfileType,
  scale: Scale,
  countUnit: string | undefined,
  most: number,
): Column {
  if (scale === 'share') return fixed('%', 0.01, most)
  if (countUnit !== undefined) return fixed(`${countUnit}/s`, 1, most)
  if (unitOf(type) !== 'bytes') return fixed(type === 'cpu' ? 'cores' : 'threads', 1e9, most)
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(most, 1)) / 10), 0), BYTES.length - 1)
  return fixed(BYTES[power], 1024 ** power, most)
}

function fixed(unit: string, one: number, most: number): Column {
  const digits = most > 0 ? Math.min(Math.max(2 - Math.floor(Math.log10(most / one)), 0), MOST_DIGITS) : 0
  const number = new Intl.NumberFormat('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
  return { unit, format: amount => number.format(amount / one) }
}
