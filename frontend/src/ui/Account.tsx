import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { logOut, useSession } from '../api/session'
import type { Session } from '../api/types'
import { Icon } from './Icon'
import { Popover } from './Popover'
import { formatInstant } from './time'

/** Who is logged in and what he sees; nothing where nobody needs to log in. */
export function Account() {
  const { data } = useSession()
  if (!data?.loggedIn || data.auth === 'none') return null
  return (
    <Popover label={`Logged in as ${data.user}`} bodyClass="account" summary={<Icon name="person" />}>
      {() => <Details session={data} />}
    </Popover>
  )
}

function Details({ session }: { session: Session }) {
  const queries = useQueryClient()
  const [error, setError] = useState('')
  const leave = () =>
    logOut().then(
      () => queries.resetQueries(), // nothing of his stays on the screen
      (e: Error) => setError(e.message),
    )
  return (
    <>
      <dl className="facts">
        <dt>Logged in as</dt>
        <dd className="wrap">{session.user}</dd>
        <dt>Sees</dt>
        <dd className="wrap">
          {session.everything ? 'every namespace' : session.namespaces.join(', ') || 'no namespace'}
        </dd>
        {session.expires && (
          <>
            <dt>Until</dt>
            <dd>{formatInstant(Date.parse(session.expires))}</dd>
          </>
        )}
      </dl>
      {error !== '' && <p className="bad">{error}</p>}
      {session.by === 'session' && (
        <button type="button" className="button" onClick={leave}>
          Log out
        </button>
      )}
    </>
  )
}

/** Whether RBAC shows the reader nothing: then an empty list says nothing of what there is. */
export function useSeesNothing(): boolean {
  const { data } = useSession()
  return data?.loggedIn === true && !data.everything && data.namespaces.length === 0
}

/** On every screen of somebody whom RBAC shows nothing: an empty list alone would be a riddle. */
export function SeesNothing() {
  const { data } = useSession()
  if (!useSeesNothing()) return null
  return (
    <div className="sees-nothing" role="status">
      <strong>No namespace with profiles is open to you.</strong> You see those in which{' '}
      <span className="mono">{data?.user}</span> may get <span className="mono">profiles.profiling.io</span>.
      Ask for the role <span className="mono">podflame-reader</span> there.
    </div>
  )
}
