/** Who is reading. The session is a cookie that no script can see; the backend says what it is worth. */
import { useQuery } from '@tanstack/react-query'
import { getJSON, send } from './client'
import type { Session } from './types'

export const SESSION_KEY = ['session'] as const
const PATH = '/api/v1/session'

export function useSession() {
  return useQuery({
    queryKey: SESSION_KEY,
    queryFn: ({ signal }) => getJSON<Session>(PATH, {}, signal),
    staleTime: Number.POSITIVE_INFINITY, // until an answer says that it has ended
    gcTime: Number.POSITIVE_INFINITY,
  })
}

export const logIn = (token: string) => send('POST', PATH, { token })

export const logOut = () => send('DELETE', PATH)
