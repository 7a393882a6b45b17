/** The zoom in motion: from one part of the graph to another, at once if motion is to be reduced. */
import type { Sight } from './layout'

const DURATION_MS = 160

export class Glide {
  sight: Sight = { from: 0, to: 1, fold: 0 }
  private readonly onChange: () => void
  private frame = 0

  constructor(onChange: () => void) {
    this.onChange = onChange
  }

  jump(sight: Sight) {
    this.stop()
    this.sight = sight
    this.onChange()
  }

  to(target: Sight) {
    this.stop()
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.jump(target)
      return
    }
    const source = this.sight
    const start = performance.now()
    const step = (now: number) => {
      const t = Math.min(Math.max((now - start) / DURATION_MS, 0), 1)
      const eased = 1 - (1 - t) ** 3
      this.sight = t === 1 ? target : between(source, target, eased)
      this.frame = t === 1 ? 0 : requestAnimationFrame(step)
      this.onChange()
    }
    this.frame = requestAnimationFrame(step)
  }

  stop() {
    cancelAnimationFrame(this.frame)
    this.frame = 0
  }
}

function between(a: Sight, b: Sight, t: number): Sight {
  const at = (x: number, y: number) => x + (y - x) * t
  return { from: at(a.from, b.from), to: at(a.to, b.to), fold: at(a.fold, b.fold) }
}
