/** What a table over all services derives from an answer. Pure. */
import type { FleetTop } from '../api/types'

const HOURS_OF_MONTH = 730

/** What a part of the CPU time costs in a month if it goes on so; undefined if nothing says what a core costs. */
export function moneyOf({ type, price, perSecond, total }: FleetTop, value: number): string | undefined {
  if (type !== 'cpu' || price.perCoreHour <= 0 || perSecond === null) return undefined
  const cores = total.value > 0 ? (perSecond / 1e9) * (value / total.value) : 0
  const amount = cores * price.perCoreHour * HOURS_OF_MONTH
  return `${price.currency}${amount.toFixed(amount !== 0 && amount < 0.1 ? 4 : 2)}`
}
