/** From the JSON answer of the flame query to typed arrays, checked. */
import type { Flame } from '../api/types'

/** Numbers of the kinds of code; the order is that of the legend. */
export const KINDS = ['java', 'native', 'cpp', 'kernel', 'class', 'omitted', 'other'] as const
export type KindName = (typeof KINDS)[number]
export const OMITTED = KINDS.indexOf('omitted')
const OTHER = KINDS.indexOf('other')

/** The functions and nodes of an answer. Node 0 is the root; the nodes below a node follow it. */
export interface Profile {
  functions: string[]
  kinds: Uint8Array // by function; index into KINDS
  parents: Int32Array // by node; -1 for the root
  frames: Int32Array // by node, index into functions; -1 for the root
  values: Float64Array // by node: self, in the type's unit
  counts: Float64Array // by node: self, in the type's count unit
}

export class DecodeError extends Error {
  override name = 'DecodeError'
}

export type Graph = Pick<Flame, 'functions' | 'kinds' | 'depths' | 'frames' | 'values' | 'counts'>

export const NO_GRAPH: Graph = {
  functions: { shared: [], rest: [] },
  kinds: { names: [], counts: [] },
  depths: [],
  frames: [],
  values: [],
  counts: [],
}

/** Throws DecodeError if the answer contradicts itself. */
export function decode(graph: Graph): Profile {
  const { depths, frames, values, counts } = graph
  const nodes = depths.length
  if (nodes !== frames.length || nodes !== values.length || nodes !== counts.length) {
    throw new DecodeError(
      `The answer has ${nodes} nodes but ${frames.length} frames, ${values.length} values and ${counts.length} counts`,
    )
  }
  const functions = namesOf(graph.functions)
  const kinds = kindsOf(graph.kinds, functions.length)
  if (depths[0] !== 0 || frames[0] !== -1) throw new DecodeError('The answer does not begin with a root')
  for (let node = 1; node < nodes; node++) checkFunction(node, frames[node], functions.length)
  return {
    functions,
    kinds,
    parents: parentsOf(depths),
    frames: Int32Array.from(frames),
    values: Float64Array.from(values, amount),
    counts: Float64Array.from(counts, amount),
  }
}

/** Each name without what it shares with the one before. */
function namesOf({ shared, rest }: Graph['functions']): string[] {
  if (shared.length !== rest.length) {
    throw new DecodeError(`The answer has ${rest.length} names but ${shared.length} shared beginnings`)
  }
  let before = ''
  return rest.map((end, i) => {
    if (!isIndex(shared[i], before.length + 1)) {
      throw new DecodeError(`Name ${i} shares ${shared[i]} characters with one of ${before.length}`)
    }
    before = before.slice(0, shared[i]) + end
    return before
  })
}

/** Runs: how many functions in a row are of a kind. */
function kindsOf({ names, counts }: Graph['kinds'], functions: number): Uint8Array {
  const kinds = new Uint8Array(functions)
  let end = 0
  names.forEach((name, i) => {
    if (!isIndex(counts[i], functions - end + 1)) {
      throw new DecodeError(
        `The answer has ${functions} functions, but ${counts[i]} of kind ${name} after ${end}`,
      )
    }
    kinds.fill(kindNumber(name), end, end + counts[i])
    end += counts[i]
  })
  if (end !== functions) throw new DecodeError(`The answer has ${functions} functions but ${end} kinds`)
  return kinds
}

/** The parent of a node is the last one before it that is one less deep. */
function parentsOf(depths: number[]): Int32Array {
  const parents = new Int32Array(depths.length).fill(-1)
  const path: number[] = [] // by depth: the last node that is so deep
  depths.forEach((depth, node) => {
    const above = Math.min(node, 1) // below the root there is no other
    if (!isIndex(depth - above, path.length + 1 - above)) {
      throw new DecodeError(`Node ${node} is ${depth} deep and the one before it ${path.length - 1}`)
    }
    if (depth > 0) parents[node] = path[depth - 1]
    path.length = depth
    path.push(node)
  })
  return parents
}

function isIndex(value: number, length: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < length
}

export function kindNumber(name: string): number {
  const i = (KINDS as readonly string[]).indexOf(name)
  return i < 0 ? OTHER : i
}

function checkFunction(node: number, frame: number, functions: number) {
  if (!isIndex(frame, functions)) {
    throw new DecodeError(`Node ${node} refers to function ${frame} of ${functions}`)
  }
}

function amount(value: number): number {
  if (!Number.isFinite(value) || value < 0) throw new DecodeError(`A node has the amount ${value}`)
  return value
}
