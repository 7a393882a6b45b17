import type { Answer } from '../api/answer'
import { Icon } from './Icon'
import { useLive } from './live'
import { formatClock } from './time'

/** From when the data on screen is. */
export function AsOf({ answer }: { answer: Answer<unknown> }) {
  if (answer.data === undefined) return null
  return (
    <span className="muted small nowrap">
      {answer.busy && answer.old ? 'Updating, ' : ''}as of {formatClock(answer.at)}
    </span>
  )
}

/** Old data stays on screen when a refresh fails, but it is said to be old. */
export function StaleNotice({ answer }: { answer: Answer<unknown> }) {
  const { refresh } = useLive()
  if (!answer.error || answer.data === undefined) return null
  return (
    <div className="notice" role="alert">
      <Icon name="warn" />
      <span>
        The refresh failed: {answer.error.message}. What you see is as of {formatClock(answer.at)}.
      </span>
      <button type="button" className="button" onClick={refresh}>
        Try again
      </button>
    </div>
  )
}
