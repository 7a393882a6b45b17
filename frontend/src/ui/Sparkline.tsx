const WIDTH = 104
const HEIGHT = 24

interface Props {
  values: (number | null)[] // equal slices of the range; null where nothing is known
  label: string
}

/** A line from zero up. Where nothing is known it is hatched, not zero. */
export function Sparkline({ values, label }: Props) {
  const most = Math.max(...values.map(v => v ?? 0), Number.MIN_VALUE)
  const step = WIDTH / Math.max(values.length, 1)
  const y = (v: number) => HEIGHT - 1 - (v / most) * (HEIGHT - 3)
  const runs = splitRuns(values)
  return (
    <svg
      className="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={label}
    >
      {runs.map(run =>
        run.values ? (
          <g key={run.start}>
            <path className="area" d={`M${run.start * step} ${HEIGHT}${line(run, step, y)}V${HEIGHT}Z`} />
            <path d={`M${line(run, step, y).slice(1)}`} />
          </g>
        ) : (
          <rect
            key={run.start}
            className="gap"
            x={run.start * step}
            width={run.length * step}
            height={HEIGHT}
          />
        ),
      )}
    </svg>
  )
}

interface Run {
  start: number
  length: number
  values: number[] | undefined
}

function splitRuns(values: (number | null)[]): Run[] {
  const runs: Run[] = []
  values.forEach((value, i) => {
    let run = runs.at(-1)
    if (!run || (run.values === undefined) !== (value === null)) {
      run = { start: i, length: 0, values: value === null ? undefined : [] }
      runs.push(run)
    }
    run.length++
    if (value !== null) run.values?.push(value)
  })
  return runs
}

/** Each slice is a level stretch. */
function line(run: Run, step: number, y: (v: number) => number): string {
  return (run.values ?? [])
    .map(
      (v, i) =>
        `L${((run.start + i) * step).toFixed(1)} ${y(v).toFixed(1)}H${((run.start + i + 1) * step).toFixed(1)}`,
    )
    .join('')
}
