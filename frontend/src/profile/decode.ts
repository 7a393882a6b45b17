/** From the JSON answer of the flame query to typed arrays, checked. */
import type { Flame } from '../api/types'

/** Numbers of the kinds of code; the order is that of the legend. */
export const KINDS = ['java', 'native', 'cpp', 'kernel', 'class', 'omitted', 'other'] as const
export type KindName = (typeof KINDS)[number]
export const OMITTED = KINDS.indexOf('omitted')
const OTHER = KINDS.indexOf('other')

/** Distinct stacks of one type. Stack i is frames[offsets[i]..offsets[i+1]], root first; stacks are sorted. */
export interface Profile {
  functions: string[]
  kinds: Uint8Array // by function; index into KINDS
  frames: Int32Array // indexes into functions
  offsets: Int32Array // by stack, one more than stacks
  values: Float64Array // by stack, in the type's unit
  counts: Float64Array // by stack, in the type's count unit
}

export class DecodeError extends Error {
  override name = 'DecodeError'
}

type Stacks = Pick<Flame, 'functions' | 'kinds' | 'frames' | 'values' | 'counts'>

/** Throws DecodeError if the answer contradicts itself. */
export function decode(flame: Stacks): Profile {
  const { functions, frames, values, counts } = flame
  if (frames.length !== values.length || frames.length !== counts.length) {
    throw new DecodeError(
      `The answer has ${frames.length} stacks but ${values.length} values and ${counts.length} counts`,
    )
  }
  if (functions.length !== flame.kinds.length) {
    throw new DecodeError(`The answer has ${functions.length} functions but ${flame.kinds.length} kinds`)
  }
  const order = sortedOrder(frames)
  const offsets = new Int32Array(frames.length + 1)
  for (let i = 0; i < frames.length; i++) offsets[i + 1] = offsets[i] + frames[order[i]].length
  const flat = new Int32Array(offsets[frames.length])
  for (let i = 0; i < frames.length; i++) copyStack(flat, offsets[i], frames[order[i]], functions.length)
  return {
    functions,
    kinds: Uint8Array.from(flame.kinds, kindNumber),
    frames: flat,
    offsets,
    values: Float64Array.from(order, i => amount(values[i])),
    counts: Float64Array.from(order, i => amount(counts[i])),
  }
}

export function kindNumber(name: string): number {
  const i = (KINDS as readonly string[]).indexOf(name)
  return i < 0 ? OTHER : i
}

function copyStack(to: Int32Array, at: number, stack: number[], functions: number) {
  for (const frame of stack) {
    if (!Number.isInteger(frame) || frame < 0 || frame >= functions) {
      throw new DecodeError(`A stack refers to function ${frame} of ${functions}`)
    }
    to[at++] = frame
  }
}

function amount(value: number): number {
  if (!Number.isFinite(value) || value < 0) throw new DecodeError(`A stack has the amount ${value}`)
  return value
}

/** The order of the stacks by their frames. The backend sends them so; anything else is sorted here. */
function sortedOrder(frames: number[][]): number[] {
  const order = frames.map((_, i) => i)
  for (let i = 1; i < frames.length; i++) {
    if (compareFrames(frames[i - 1], frames[i]) > 0) {
      return order.sort((a, b) => compareFrames(frames[a], frames[b]))
    }
  }
  return order
}

function compareFrames(a: number[], b: number[]): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] - b[i]
  return a.length - b.length
}
