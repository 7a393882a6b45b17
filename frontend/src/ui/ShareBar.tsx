import { formatShare } from '../profile/units'

const WIDTH = 96

/** A share as a bar, and in percent. */
export function ShareBar({ value, whole }: { value: number; whole: number }) {
  return (
    <div className="share-bar">
      <svg width={WIDTH} height={8} aria-hidden="true">
        <rect width={whole > 0 ? (WIDTH * value) / whole : 0} height={8} />
      </svg>
      <span>{formatShare(value, whole)}</span>
    </div>
  )
}
