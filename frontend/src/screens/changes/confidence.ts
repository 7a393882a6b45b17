/** How sure a change is, in words. */

/** The chance that two sides that do not differ show a change as clear as this, from the smallest. */
const WORDS: readonly (readonly [number, string])[] = [
  [1e-5, 'beyond doubt'],
  [1e-3, 'very sure'],
  [1, 'sure'],
]

export function confidenceWord(chance: number): string {
  return (WORDS.find(([most]) => chance <= most) ?? WORDS[WORDS.length - 1])[1]
}

/** "1 in 250": what the word stands for. */
export function chanceText(chance: number): string {
  if (chance < 1e-6) return 'less than 1 in a million'
  const odds = 1 / chance
  const round = 10 ** Math.max(Math.floor(Math.log10(odds)) - 1, 0)
  return `about 1 in ${new Intl.NumberFormat('en-US').format(Math.round(odds / round) * round)}`
}

/** Shares differ by points: 2.0 % to 2.3 % is +0.30 points. */
export function pointsText(difference: number): string {
  const points = Math.abs(difference * 100)
  const digits = points >= 10 ? 1 : points >= 0.1 ? 2 : 3
  const sign = difference > 0 ? '+' : difference < 0 ? '−' : ''
  return sign + points.toFixed(digits)
}
