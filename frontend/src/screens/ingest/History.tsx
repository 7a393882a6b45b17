import { useRef } from 'react'
import type { Answer } from '../../api/answer'
import { ApiError } from '../../api/client'
import type { IngestEvents, IngestHistory } from '../../api/types'
import { formatCount, formatCounted } from '../../profile/units'
import { formatAxis } from '../../ui/axis'
import { useWidth } from '../../ui/width'
import { ticks } from '../profile/timelineShape'

const UP = 72 // height of what was accepted
const TOP = 16 // free for the label of the scale
const DOWN = 40 // of what was not
const AXIS = 18
const HEIGHT = UP + DOWN + AXIS

type Outcome = IngestEvents['outcome']

const ACCEPTED: readonly Outcome[] = ['accepted', 'duplicate']

const WORDS: Record<Outcome, string> = {
  accepted: 'accepted',
  duplicate: 'sent again, counted once',
  truncated: 'accepted, samples truncated',
  dropped: 'accepted, something missing',
  retryable: 'asked to try again',
  rejected: 'rejected',
}

/** What became of uploads over time: what was accepted above the line, what was not, or not whole, below it. */
export function History({ answer }: { answer: Answer<IngestHistory> }) {
  return (
    <section className={answer.old ? 'card ingest-card old' : 'card ingest-card'} aria-labelledby="history">
      <h2 id="history">Uploads over time</h2>
      {answer.data ? <Chart history={answer.data} /> : <p className="muted">{noneText(answer.error)}</p>}
    </section>
  )
}

function noneText(error: Error | null): string {
  if (!error) return 'Loading the history…'
  const forbidden = error instanceof ApiError && error.code === 'forbidden'
  return forbidden
    ? 'The history is of the whole installation, and shown to readers of every namespace. What your services lost stands below.'
    : `${error.message}.`
}

function Chart({ history }: { history: IngestHistory }) {
  const host = useRef<HTMLDivElement>(null)
  const width = useWidth(host)
  const sums = history.events
    .map(e => ({ ...e, sum: e.windows.reduce((a, b) => a + b, 0) }))
    .filter(e => e.sum > 0)
  if (sums.length === 0) return <p className="muted">No upload arrived in this range.</p>
  return (
    <>
      <div ref={host} className="history">
        {width > 0 && <Bars history={history} width={width} />}
      </div>
      <ul className="legend small history-legend">
        {sums.map(e => (
          <li key={`${e.outcome} ${e.reason}`} title={e.remedy}>
            <svg className="swatch" viewBox="0 0 12 12" aria-hidden="true">
              <rect width="12" height="12" className={lookOf(e)} />
            </svg>
            {formatCount(e.sum)} {e.routine ? 'accepted, with a gap of ordinary running' : WORDS[e.outcome]}
            {e.text && <span className="muted"> {e.text}</span>}
          </li>
        ))}
      </ul>
    </>
  )
}

function Bars({ history, width }: { history: IngestHistory; width: number }) {
  const from = Date.parse(history.start)
  const step = history.stepSeconds * 1000
  const to = from + history.steps * step
  const x = (i: number) => (i / history.steps) * width
  const bar = Math.max(width / history.steps - 1, 1)
  const up = stacked(history, events => ACCEPTED.includes(events.outcome))
  const down = stacked(history, events => !ACCEPTED.includes(events.outcome))
  const shape = { from, to, width, x: (ms: number) => ((ms - from) / (to - from)) * width }
  return (
    <svg
      width={width}
      height={HEIGHT}
      role="img"
      aria-label={`Windows in each ${history.stepSeconds} s, at most ${formatCount(up.most)}; the sums stand below`}
    >
      {up.parts.map(({ look, name, at, below, count }) => (
        <rect
          key={`${name} ${at}`}
          className={look}
          x={x(at)}
          width={bar}
          y={UP - ((below + count) / up.most) * (UP - TOP)}
          height={(count / up.most) * (UP - TOP)}
        />
      ))}
      {down.parts.map(({ look, name, at, below, count }) => (
        <rect
          key={`${name} ${at}`}
          className={look}
          x={x(at)}
          width={bar}
          y={UP + 1 + (below / down.most) * (DOWN - 4)}
          height={Math.max((count / down.most) * (DOWN - 4), 2)}
        />
      ))}
      <path className="timeline-axis" d={`M0 ${UP + 0.5}H${width}`} />
      <text className="timeline-label" x={4} y={12}>
        {formatCounted(up.most, 'windows')}
      </text>
      {down.parts.length > 0 && (
        <text className="timeline-label" x={4} y={UP + DOWN - 2}>
          {formatCounted(down.most, 'windows')}
        </text>
      )}
      {ticks(shape as Parameters<typeof ticks>[0]).map(t => (
        <text
          key={t}
          className="timeline-label"
          x={Math.min(Math.max(shape.x(t), 24), width - 24)}
          y={HEIGHT - 4}
          textAnchor="middle"
        >
          {formatAxis(t, to - from)}
        </text>
      ))}
    </svg>
  )
}

/** What belongs to ordinary running has the colour of no alarm. */
function lookOf({ outcome, routine }: IngestEvents): string {
  return routine ? 'outcome-routine' : `outcome-${outcome}`
}

/** Bars of a step on top of each other. */
export function stacked(history: IngestHistory, wanted: (events: IngestEvents) => boolean) {
  const heights = new Array<number>(history.steps).fill(0)
  const parts = history.events.filter(wanted).flatMap(events =>
    events.windows.flatMap((count, at) => {
      if (count === 0) return []
      const below = heights[at]
      heights[at] += count
      return [{ look: lookOf(events), name: `${events.outcome} ${events.reason}`, at, below, count }]
    }),
  )
  return { parts, most: Math.max(...heights, 1) }
}
