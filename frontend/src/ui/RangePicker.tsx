import { type FormEvent, useState } from 'react'
import { useKept } from '../api/queries'
import { resolveRange, type TimeRange } from '../url'
import { Icon } from './Icon'
import { useHold, useLive } from './live'
import { change } from './location'
import { Popover } from './Popover'
import { formatRangeLabel, formatSpanWords } from './time'

const PRESETS = [300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400]

export function RangePicker({ range }: { range: TimeRange }) {
  const { now, refresh } = useLive()
  const kept = useKept()
  const [open, setOpen] = useState(false)
  useHold(open) // a refresh would begin the form anew
  const choose = (next: TimeRange) => {
    refresh()
    change({ range: next })
  }
  return (
    <Popover
      className="range"
      onOpen={setOpen}
      label={`Time range: ${formatRangeLabel(range)}`}
      summary={
        <>
          <Icon name="clock" />
          <span className="cut">{formatRangeLabel(range)}</span>
          <Icon name="down" />
        </>
      }
    >
      {close => (
        <>
          <div className="presets">
            {PRESETS.filter(seconds => seconds <= kept).map(seconds => (
              <button
                type="button"
                key={seconds}
                className="button"
                aria-pressed={range.kind === 'last' && range.seconds === seconds}
                onClick={() => {
                  choose({ kind: 'last', seconds })
                  close()
                }}
              >
                {formatSpanWords(seconds)}
              </button>
            ))}
          </div>
          <BetweenForm
            key={`${range.kind}-${JSON.stringify(range)}-${now}`}
            {...resolveRange(range, now)}
            onApply={next => {
              choose(next)
              close()
            }}
          />
        </>
      )}
    </Popover>
  )
}

interface FormProps {
  from: number
  to: number
  onApply(range: TimeRange): void
}

function BetweenForm({ from, to, onApply }: FormProps) {
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const [start, end] = [fromInput(form.get('from')), fromInput(form.get('to'))]
    const last = event.currentTarget.elements.namedItem('to')
    if (last instanceof HTMLInputElement) {
      last.setCustomValidity(end > start ? '' : 'The end must be after the start')
      if (!last.reportValidity()) return
    }
    onApply({ kind: 'between', from: start, to: end })
  }
  return (
    <form className="range-form" onSubmit={apply}>
      <label>
        From
        <input
          className="field"
          type="datetime-local"
          step="1"
          name="from"
          defaultValue={toInput(from)}
          required
        />
      </label>
      <label>
        To
        <input
          className="field"
          type="datetime-local"
          step="1"
          name="to"
          defaultValue={toInput(to)}
          onInput={e => e.currentTarget.setCustomValidity('')}
          required
        />
      </label>
      <button type="submit" className="button primary">
        Show this range
      </button>
    </form>
  )
}

/** datetime-local has local time without a zone. */
function toInput(seconds: number): string {
  const local = new Date(seconds * 1000 - new Date(seconds * 1000).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19)
}

function fromInput(value: FormDataEntryValue | null): number {
  return Math.floor(new Date(String(value)).getTime() / 1000)
}
