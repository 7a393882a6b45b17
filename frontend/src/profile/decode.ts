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

export type Graph = Pick<Flame, 'functions' | 'kinds' | 'parents' | 'frames' | 'values' | 'counts'>

/** Throws DecodeError if the answer contradicts itself. */
export function decode(graph: Graph): Profile {
  const { functions, parents, frames, values, counts } = graph
  if (
    parents.length !== frames.length ||
    parents.length !== values.length ||
    parents.length !== counts.length
  ) {
    throw new DecodeError(
      `The answer has ${parents.length} nodes but ${frames.length} frames, ${values.length} values and ${counts.length} counts`,
    )
  }
  if (functions.length !== graph.kinds.length) {
    throw new DecodeError(`The answer has ${functions.length} functions but ${graph.kinds.length} kinds`)
  }
  if (parents[0] !== -1 || frames[0] !== -1) throw new DecodeError('The answer does not begin with a root')
  for (let node = 1; node < parents.length; node++) checkNode(node, parents, frames[node], functions.length)
  return {
    functions,
    kinds: Uint8Array.from(graph.kinds, kindNumber),
    parents: Int32Array.from(parents),
    frames: Int32Array.from(frames),
    values: Float64Array.from(values, amount),
    counts: Float64Array.from(counts, amount),
  }
}

export function kindNumber(name: string): number {
  const i = (KINDS as readonly string[]).indexOf(name)
  return i < 0 ? OTHER : i
}

/** The parent of a node is the node before it or one that this is below. */
function checkNode(node: number, parents: number[], frame: number, functions: number) {
  if (!Number.isInteger(frame) || frame < 0 || frame >= functions) {
    throw new DecodeError(`Node ${node} refers to function ${frame} of ${functions}`)
  }
  let above = node - 1
  while (above > parents[node]) above = parents[above]
  if (above !== parents[node] || above < 0) {
    throw new DecodeError(`Node ${node} does not follow its parent ${parents[node]}`)
  }
}

function amount(value: number): number {
  if (!Number.isFinite(value) || value < 0) throw new DecodeError(`A node has the amount ${value}`)
  return value
}
