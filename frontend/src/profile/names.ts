/** Names of functions for people: what to keep when there is no room. */
import { KINDS } from './decode'

const JAVA = KINDS.indexOf('java')
const CLASS = KINDS.indexOf('class')

export interface NameParts {
  scope: string // the package, with its final dot; empty if there is none
  short: string // Class.method, or the class
  tail: string // the method alone
}

/** Splits a normalised name. Only names of Java have a package; others are kept whole. */
export function splitName(name: string, kind: number): NameParts {
  if (kind === CLASS) return splitAt(name, lastDot(name, name.length))
  if (kind !== JAVA) return { scope: '', short: name, tail: name }
  const method = lastDot(name, name.length)
  return { ...splitAt(name, lastDot(name, method)), tail: name.slice(method + 1) }
}

function splitAt(name: string, dot: number): NameParts {
  const short = name.slice(dot + 1)
  return { scope: name.slice(0, dot + 1), short, tail: short }
}

/** The last dot before end that has something on both sides. */
function lastDot(name: string, end: number): number {
  const dot = name.lastIndexOf('.', end - 1)
  return end <= 0 || dot === 0 ? -1 : dot
}

export function shortName(name: string, kind: number): string {
  return splitName(name, kind).short
}

/** What each kind of code is called in legend and tooltip. */
export const KIND_LABELS: readonly string[] = [
  'Java',
  'Native',
  'C++ (JVM)',
  'Kernel',
  'Class',
  'Omitted',
  'Other',
]
