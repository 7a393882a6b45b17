import type { SeriesStatus } from '../../api/types'

interface Props {
  status: SeriesStatus
  x: number
  width: number
  y: number
  height: number
}

/** What became of one step. Each status has its own shape, so the colour is not needed to tell them apart. */
export function StatusCell({ status, x, width, y, height }: Props) {
  const w = Math.max(width - (width > 4 ? 1 : 0), 0.5)
  switch (status) {
    case 'complete':
      return <rect x={x} y={y} width={w} height={height} fill="var(--ok-fill)" />
    case 'partial':
      return (
        <>
          <rect x={x} y={y} width={w} height={height} fill="var(--warn-wash)" />
          <rect x={x} y={y + height / 2} width={w} height={height / 2} fill="var(--warn-fill)" />
        </>
      )
    case 'lost':
      return (
        <>
          <rect x={x} y={y} width={w} height={height} fill="var(--bad-wash)" />
          <rect x={x} y={y} width={w} height={height} fill="url(#hatch-lost)" />
        </>
      )
    case 'pending':
      return (
        <rect
          x={x + 0.5}
          y={y + 0.5}
          width={Math.max(w - 1, 0.5)}
          height={height - 1}
          fill="none"
          stroke="var(--control-border)"
          strokeDasharray="2 2"
        />
      )
    case 'none':
      return <rect x={x} y={y} width={w} height={height} fill="url(#hatch)" />
  }
}
