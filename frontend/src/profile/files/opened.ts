/** What a dropped file becomes: one profile per kind of value, in the columns that the API answers in. */
import { KINDS, kindNumber, type Profile } from '../decode'
import { TreeBuilder } from '../merge'
import { ROOT } from '../tree'

export interface FileProfile {
  label: string // of the value: cpu, alloc_space, wall
  unit: 'ns' | 'bytes' | '' // '' for counts
  profile: Profile
}

/** The file cannot be shown. The message says what is wrong, with the value and the limit. */
export class FileError extends Error {
  override name = 'FileError'
}

export const MAX_NODES = 1_000_000
export const MAX_DEPTH = 4096

/** Functions by name and kind, each once. */
export class FunctionTable {
  readonly functions: string[] = []
  private readonly kinds: number[] = []
  private readonly known = new Map<string, number>()

  /** The index of a function; its kind is guessed from its name unless it is told. */
  add(name: string, kind = ''): number {
    const text = name === '' ? '(unnamed)' : name
    const found = this.known.get(text)
    if (found !== undefined) return found
    const index = this.functions.length
    this.known.set(text, index)
    this.functions.push(text)
    this.kinds.push(
      (KINDS as readonly string[]).includes(kind) ? kindNumber(kind) : kindNumber(guessKind(text)),
    )
    return index
  }

  /** The tree of what add() is called with: stacks from the root, each with its value and count. */
  tree(fill: (add: (stack: readonly number[], value: number, count: number) => void) => void): Profile {
    const builder = new TreeBuilder(this.functions.length)
    fill((stack, value, count) => {
      if (stack.length > MAX_DEPTH)
        throw new FileError(`A stack has ${stack.length} frames; the limit is ${MAX_DEPTH}`)
      let node = ROOT
      for (const fn of stack) node = builder.child(node, fn)
      if (builder.size > MAX_NODES) throw new FileError(`The file has more than ${MAX_NODES} distinct stacks`)
      builder.add(node, value, count)
    })
    return builder.finish({ functions: this.functions, kinds: Uint8Array.from(this.kinds) })
  }
}

function guessKind(name: string): string {
  if (name === '(omitted)') return 'omitted'
  if (name.includes('::')) return 'cpp'
  return /^[\w$]+(\.[\w$<>/]+)+/.test(name) ? 'java' : 'native'
}

export function amountOf(value: number, what: string): number {
  if (Number.isFinite(value) && value >= 0) return value
  throw new FileError(`${what} is ${value}; a profile has no such amount`)
}
