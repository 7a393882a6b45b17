/** The zoom in motion: from one span of the value axis to another, at once if motion is to be reduced. */
import type { Span } from './layout'

const DURATION_MS = 160

export class Glide {
  span: Span = { from: 0, to: 1 }
  private readonly onChange: () => void
  private frame = 0

  constructor(onChange: () => void) {
    this.onChange = onChange
  }

  jump(span: Span) {
    this.stop()
    this.span = span
    this.onChange()
  }

  to(target: Span) {
    this.stop()
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.jump(target)
      return
    }
    const source = this.span
    const start = performance.now()
    const step = (now: number) => {
      const t = Math.min(Math.max((now - start) / DURATION_MS, 0), 1)
      const eased = 1 - (1 - t) ** 3
      this.span = t === 1 ? target : between(source, target, eased)
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

function between(a: Span, b: Span, t: number): Span {
  return { from: a.from + (b.from - a.from) * t, to: a.to + (b.to - a.to) * t }
}
