import type { ReactNode } from 'react'
import { useSession } from '../api/session'
import { Login } from '../screens/login/Login'
import { Loading } from './Empty'

/** Shows what is behind it to who is logged in, the login to who is not. */
export function Gate({ children }: { children: ReactNode }) {
  const { data, isPending } = useSession()
  if (isPending) {
    return (
      <main id="main" tabIndex={-1}>
        <Loading what="your session" />
      </main>
    )
  }
  // Without an answer the screens say what is wrong better than a login could.
  return data && !data.loggedIn ? <Login session={data} /> : children
}
