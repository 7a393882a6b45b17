import type { ReactNode } from 'react'
import { ApiError } from '../api/client'
import { Icon, type IconName } from './Icon'
import { UnknownService } from './UnknownService'

interface Props {
  icon: IconName
  title: string
  children?: ReactNode
  actions?: ReactNode
}

/** Says why there is nothing, and what to do about it. */
export function Empty({ icon, title, children, actions }: Props) {
  return (
    <div className="empty" role="status">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
      {actions && <div className="actions">{actions}</div>}
    </div>
  )
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="empty loading" role="status">
      <p>Loading {what}…</p>
    </div>
  )
}

/** A query failed and there is nothing to show in its place. */
export function Failure({ error, onRetry }: { error: Error; onRetry(): void }) {
  const code = error instanceof ApiError ? error.code : 'internal'
  if (code === 'unknown_service') return <UnknownService message={error.message} />
  const hint = error instanceof ApiError ? error.hint : ''
  const store = code === 'store_unavailable'
  return (
    <Empty
      icon={store ? 'store' : 'warn'}
      title={store ? 'The store is unavailable' : error.message}
      actions={
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      }
    >
      {store && <p>{error.message}. Data is queued in the sidecars meanwhile.</p>}
      {hint && <p>{hint}.</p>}
      <p className="small">
        Reason code <code>{code}</code>
      </p>
    </Empty>
  )
}

/** The backend has answered, and the answer contradicts itself. */
export function Undrawable({ error }: { error: Error }) {
  return (
    <Empty
      icon="warn"
      title="The answer of the backend cannot be drawn"
      actions={
        <button type="button" className="button" onClick={() => window.location.reload()}>
          Reload the page
        </button>
      }
    >
      <p>{error.message}. Frontend and backend may be of different versions.</p>
    </Empty>
  )
}
