/** Opens a profile of pprof, speedscope or collapsed stacks, gzipped or not. Nothing leaves the browser. */
import { formatBytes } from '../units'
import { looksCollapsed, parseCollapsed } from './collapsed'
import { FileError, type FileProfile } from './opened'
import { parsePprof } from './pprof'
import { parseSpeedscope } from './speedscope'

export const MAX_FILE_BYTES = 64 * 1024 * 1024
export const MAX_UNPACKED_BYTES = 256 * 1024 * 1024

/** Throws FileError if it is not what it should be, or larger. */
export async function openProfile(file: Blob): Promise<FileProfile[]> {
  if (file.size > MAX_FILE_BYTES)
    throw new FileError(`The file has ${formatBytes(file.size)}; the limit is ${formatBytes(MAX_FILE_BYTES)}`)
  return parseProfile(await unpacked(new Uint8Array(await file.arrayBuffer())))
}

export function parseProfile(bytes: Uint8Array): FileProfile[] {
  if (bytes.length === 0) throw new FileError('The file is empty')
  const text = textOf(bytes)
  if (text === undefined) return parsePprof(bytes)
  if (text.trimStart().startsWith('{')) return parseSpeedscope(text)
  if (looksCollapsed(text.trimStart())) return parseCollapsed(text)
  throw new FileError('The file is neither pprof, speedscope nor collapsed stacks (a;b;c 42 on every line)')
}

/** undefined if it is not text. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.subarray(0, 4096).some(byte => byte < 9)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

async function unpacked(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
  const parts: BlobPart[] = []
  let size = 0
  const reader = stream.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      size += next.value.length
      if (size > MAX_UNPACKED_BYTES)
        throw new FileError(
          `The file unpacks to more than ${formatBytes(MAX_UNPACKED_BYTES)}, which is the limit`,
        )
      parts.push(next.value)
    }
  } catch (error) {
    if (error instanceof FileError) throw error
    throw new FileError('The file is damaged: its gzip stream does not unpack')
  } finally {
    void reader.cancel().catch(() => undefined)
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}
