/** speedscope's file format: frames, and profiles of samples or of events. */
import { amountOf, FileError, type FileProfile, FunctionTable } from './opened'

interface File {
  shared: { frames: { name: string; file?: string }[] }
  profiles: (Sampled | Evented)[]
}
interface Sampled {
  type: 'sampled'
  name: string
  unit: string
  samples: number[][]
  weights: number[]
}
interface Evented {
  type: 'evented'
  name: string
  unit: string
  events: { type: 'O' | 'C'; frame: number; at: number }[]
}

const MAX_PROFILES = 64
const NS: Record<string, number> = { nanoseconds: 1, microseconds: 1e3, milliseconds: 1e6, seconds: 1e9 }

export function parseSpeedscope(text: string): FileProfile[] {
  const file = parse(text)
  if (file.profiles.length > MAX_PROFILES)
    throw new FileError(`The file has ${file.profiles.length} profiles; the limit is ${MAX_PROFILES}`)
  return file.profiles.map(profile => {
    const table = new FunctionTable()
    const functions = file.shared.frames.map(frame => table.add(String(frame.name), frame.file))
    const scale = NS[profile.unit] ?? 1
    const frameOf = (frame: number) => {
      if (functions[frame] === undefined)
        throw new FileError(`A stack refers to frame ${frame} of ${functions.length}`)
      return functions[frame]
    }
    const tree = table.tree(add => {
      const put = (stack: number[], weight: number) => {
        if (weight !== 0) add(stack.map(frameOf), amountOf(weight * scale, 'A weight'), 1)
      }
      if (profile.type === 'evented') return replay(profile, put)
      for (const [i, stack] of profile.samples.entries()) put(stack, profile.weights[i])
    })
    const unit = profile.unit in NS ? 'ns' : profile.unit === 'bytes' ? 'bytes' : ''
    return { label: String(profile.name).slice(0, 80), unit, profile: tree }
  })
}

/** Time between two events belongs to what was open. */
function replay({ events }: Evented, put: (stack: number[], weight: number) => void) {
  const open: number[] = []
  let last = events[0]?.at ?? 0
  for (const { type, frame, at } of events) {
    put(open.slice(), at - last)
    last = at
    if (type === 'O') open.push(frame)
    else if (open.pop() !== frame) throw new FileError(`Frame ${frame} is closed and was not the last opened`)
  }
}

function parse(text: string): File {
  let file: Partial<File> | null
  try {
    file = JSON.parse(text) as Partial<File> | null
  } catch (error) {
    throw new FileError(`The file is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!Array.isArray(file?.shared?.frames) || !Array.isArray(file?.profiles))
    throw new FileError('The file is JSON, and not of speedscope: it lacks shared.frames or profiles')
  if (!file.profiles.every(isProfile))
    throw new FileError('A profile of the file has neither samples with as many weights nor events')
  return file as File
}

function isProfile(profile: {
  type?: unknown
  samples?: unknown
  weights?: unknown
  events?: unknown
}): boolean {
  const { type, samples, weights, events } = profile
  if (type === 'evented') return Array.isArray(events)
  return (
    type === 'sampled' && isStacks(samples) && Array.isArray(weights) && weights.length === samples.length
  )
}

function isStacks(samples: unknown): samples is unknown[][] {
  return Array.isArray(samples) && samples.every(Array.isArray)
}
