/** The one place that talks to the backend: bounded in time, and every failure becomes an ApiError. */
import type { ApiErrorBody } from './types'

/** Longer than the backend's own query limit (10 s), so that its answer is heard. */
const REQUEST_TIMEOUT_MS = 20_000

/** An empty text is left out. A list is repeated; an empty one is sent as an empty parameter. */
export type Params = Record<string, string | number | readonly string[] | undefined>

/** A request that was not answered with what was asked for. `code` is a reason code of the backend. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string

  constructor(status: number, body: ApiErrorBody) {
    super(body.message)
    this.name = 'ApiError'
    this.status = status
    this.code = body.code
    this.hint = body.hint
  }
}

export async function getJSON<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  const response = await request(path, path + formatParams(params), {}, signal)
  if (!isJSON(response)) throw notJSON(path, response.status)
  return (await response.json()) as T
}

/** A file, whatever its format. */
export async function getFile(path: string, params: Params, signal?: AbortSignal): Promise<Blob> {
  const init = { headers: { Accept: '*/*' } }
  return (await request(path, path + formatParams(params), init, signal)).blob()
}

/** Sends a body and ignores the answer, unless that is a refusal. */
export async function send(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<void> {
  const headers = body === undefined ? undefined : { 'Content-Type': 'application/json' }
  await request(path, path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
}

async function request(
  path: string,
  url: string,
  init: RequestInit,
  signal?: AbortSignal,
): Promise<Response> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
  const combined = signal ? AbortSignal.any([signal, timeout]) : timeout
  let response: Response
  try {
    response = await fetch(url, {
      ...init,
      signal: combined,
      headers: { Accept: 'application/json', ...init.headers },
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw unreachable(path, timeout.aborted)
  }
  if (!response.ok) throw await refused(path, response)
  return response
}

export function formatParams(params: Params): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) for (const item of value.length > 0 ? value : ['']) search.append(name, item)
    else if (value !== undefined && value !== '') search.set(name, String(value))
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

function unreachable(path: string, timedOut: boolean): ApiError {
  return new ApiError(0, {
    code: 'backend_unreachable',
    message: timedOut
      ? `The backend did not answer ${path} within ${REQUEST_TIMEOUT_MS / 1000} s`
      : `The backend cannot be reached (${path})`,
    hint: 'Look at the network between this browser and the backend, and at whether the backend runs',
  })
}

async function refused(path: string, response: Response): Promise<ApiError> {
  const body: unknown = isJSON(response) ? await response.json().catch(() => undefined) : undefined
  if (isErrorBody(body)) return new ApiError(response.status, body)
  return new ApiError(response.status, {
    code: response.status === 404 ? 'not_found' : 'internal',
    message: `${path} was answered with HTTP ${response.status}`,
    hint: 'The answer does not come from a Podflame backend; look at the proxy in front of it',
  })
}

function notJSON(path: string, status: number): ApiError {
  return new ApiError(status, {
    code: 'malformed',
    message: `${path} was answered with something other than JSON`,
    hint: 'Frontend and backend may be of different versions, or a proxy answers in its place',
  })
}

function isJSON(response: Response): boolean {
  return (response.headers.get('Content-Type') ?? '').startsWith('application/json')
}

function isErrorBody(body: unknown): body is ApiErrorBody {
  if (typeof body !== 'object' || body === null) return false
  const { code, message, hint } = body as Record<string, unknown>
  return typeof code === 'string' && typeof message === 'string' && typeof hint === 'string'
}
