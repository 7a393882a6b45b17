import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { ApiError } from '../../api/client'
import { logIn, SESSION_KEY } from '../../api/session'
import type { Session } from '../../api/types'
import { Logo } from '../../ui/Icon'

/** Asks for a token. It goes to the backend once, which puts it into a cookie that no script can read. */
export function Login({ session }: { session: Session }) {
  const queries = useQueryClient()
  const field = useId()
  const help = useId()
  const [token, setToken] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState(
    session.reason ? `${session.reason.text}. ${session.reason.remedy}.` : '',
  )
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    try {
      await logIn(token.trim())
      await queries.invalidateQueries({ queryKey: SESSION_KEY })
    } catch (error) {
      setProblem(explained(error))
      setBusy(false)
    }
  }
  return (
    <main id="main" className="login" tabIndex={-1}>
      <form onSubmit={submit}>
        <h1>
          <Logo /> Log in
        </h1>
        {problem !== '' && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <label htmlFor={field}>Token</label>
        {/* Not a password: browsers would offer to keep it, and it is good for an hour. */}
        <textarea
          id={field}
          className="field"
          rows={4}
          spellCheck={false}
          autoComplete="off"
          aria-describedby={help}
          value={token}
          onChange={event => setToken(event.target.value)}
        />
        <Help id={help} session={session} />
        <button type="submit" className="button primary" disabled={busy || token.trim() === ''}>
          {busy ? 'Logging in…' : 'Log in'}
        </button>
      </form>
    </main>
  )
}

function Help({ id, session }: { id: string; session: Session }) {
  if (session.auth === 'token') {
    return (
      <p id={id} className="muted">
        The token that whoever installed Podflame shares with its readers.
      </p>
    )
  }
  return (
    <div id={id} className="muted">
      <p>Make one for a ServiceAccount of yours:</p>
      <pre>
        kubectl create token NAME -n NAMESPACE <span className="nowrap">--audience {session.audience}</span>
      </pre>
      <p>
        You see the namespaces in which it may get <span className="mono">profiles.profiling.io</span>; the
        role <span className="mono">view</span> includes that. The token of a kubeconfig is refused.
      </p>
    </div>
  )
}

function explained(error: unknown): string {
  if (error instanceof ApiError) return `${error.message}. ${error.hint}${error.hint === '' ? '' : '.'}`
  return error instanceof Error ? error.message : String(error)
}
