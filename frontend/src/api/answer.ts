/** An answer that outlives a failed refresh: old data stays, and is known to be old. */
import { type QueryKey, useQuery } from '@tanstack/react-query'
import { useState } from 'react'

export interface Answer<T> {
  data: T | undefined
  at: number // when data arrived, Unix ms
  error: Error | null // of the last request
  busy: boolean
  old: boolean // data answers an earlier request, not this one
  retry(): void
}

interface Question<T> {
  key: QueryKey
  /** The previous answer is kept on screen only while this stays equal. */
  scope: string
  ask(signal: AbortSignal): Promise<T>
  enabled?: boolean
}

export function useAnswer<T>({ key, scope, ask, enabled = true }: Question<T>): Answer<T> {
  const query = useQuery({ queryKey: key, queryFn: ({ signal }) => ask(signal), enabled })
  const [kept, keep] = useState<{ scope: string; data: T; at: number }>()
  const { data, dataUpdatedAt: at } = query
  if (data !== undefined && (kept?.data !== data || kept.scope !== scope || kept.at !== at)) {
    keep({ scope, data, at })
  }
  const shown = data !== undefined ? { data, at } : kept?.scope === scope ? kept : undefined
  return {
    data: shown?.data,
    at: shown?.at ?? 0,
    error: query.error,
    busy: query.isFetching,
    old: shown !== undefined && data === undefined,
    retry: () => void query.refetch(),
  }
}
