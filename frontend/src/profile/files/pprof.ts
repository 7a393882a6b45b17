/** pprof's protobuf, as profile.proto of google/pprof has it. */
import { amountOf, FileError, type FileProfile, FunctionTable } from './opened'
import { Reader } from './protobuf'

interface Raw {
  types: { type: number; unit: number }[]
  samples: { locations: number[]; values: number[] }[]
  locations: Map<number, number[]> // by id: ids of functions, the caller last
  functions: Map<number, { name: number; file: number }>
  strings: string[]
  byDefault: number
}

const UNITS: Record<string, readonly [FileProfile['unit'], number]> = {
  nanoseconds: ['ns', 1],
  microseconds: ['ns', 1e3],
  milliseconds: ['ns', 1e6],
  seconds: ['ns', 1e9],
  bytes: ['bytes', 1],
  kilobytes: ['bytes', 1024],
}

/** One profile per sample type, the default one first. */
export function parsePprof(bytes: Uint8Array): FileProfile[] {
  const raw = readProfile(new Reader(bytes))
  if (raw.types.length === 0 || raw.strings[0] !== '')
    throw new FileError('The file has no sample type and no strings: it is no pprof file')
  const types = raw.types.map(({ type, unit }, index) => ({
    index,
    label: textOf(raw, type),
    unit: textOf(raw, unit),
  }))
  const counts = types.findIndex(t => t.unit === 'count')
  const isDefault = (label: string) => (label === textOf(raw, raw.byDefault) ? 0 : 1)
  return types
    .map(t => profileOf(raw, t, counts < 0 ? t.index : counts))
    .sort((a, b) => isDefault(a.label) - isDefault(b.label))
}

function profileOf(
  raw: Raw,
  type: { index: number; label: string; unit: string },
  counts: number,
): FileProfile {
  const table = new FunctionTable()
  const [unit, scale] = UNITS[type.unit] ?? ['', 1]
  const names = new Map<number, number>()
  for (const [id, { name, file }] of raw.functions)
    names.set(id, table.add(textOf(raw, name), textOf(raw, file)))
  const unknown = table.add('(unknown)')
  const profile = table.tree(add => {
    for (const { locations, values } of raw.samples) {
      const stack: number[] = []
      for (let i = locations.length - 1; i >= 0; i--) {
        const lines = raw.locations.get(locations[i]) ?? []
        if (lines.length === 0) stack.push(unknown)
        for (let line = lines.length - 1; line >= 0; line--) stack.push(names.get(lines[line]) ?? unknown)
      }
      const value = amountOf(values[type.index] ?? 0, 'The value of a sample')
      if (value > 0) add(stack, value * scale, amountOf(values[counts] ?? 0, 'The count of a sample'))
    }
  })
  return { label: type.label, unit, profile }
}

function textOf({ strings }: Raw, index: number): string {
  const text = strings[index]
  if (text === undefined) throw new FileError(`String ${index} of ${strings.length} is missing`)
  return text
}

function readProfile(reader: Reader): Raw {
  const raw: Raw = {
    types: [],
    samples: [],
    locations: new Map(),
    functions: new Map(),
    strings: [],
    byDefault: 0,
  }
  while (!reader.done) {
    const { field, wire } = reader.field()
    if (field === 1) raw.types.push(readPair(reader.message()))
    else if (field === 2) raw.samples.push(readSample(reader.message()))
    else if (field === 4) readLocation(reader.message(), raw)
    else if (field === 5) readFunction(reader.message(), raw)
    else if (field === 6) raw.strings.push(reader.text())
    else if (field === 14) raw.byDefault = reader.varint()
    else reader.skip(wire)
  }
  return raw
}

function readPair(reader: Reader): { type: number; unit: number } {
  const pair = { type: 0, unit: 0 }
  while (!reader.done) {
    const { field, wire } = reader.field()
    if (field === 1) pair.type = reader.varint()
    else if (field === 2) pair.unit = reader.varint()
    else reader.skip(wire)
  }
  return pair
}

function readSample(reader: Reader): Raw['samples'][number] {
  const sample = { locations: [] as number[], values: [] as number[] }
  while (!reader.done) {
    const { field, wire } = reader.field()
    if (field === 1) reader.numbers(wire, sample.locations)
    else if (field === 2) reader.numbers(wire, sample.values)
    else reader.skip(wire)
  }
  return sample
}

function readLocation(reader: Reader, raw: Raw) {
  let id = 0
  const lines: number[] = []
  while (!reader.done) {
    const { field, wire } = reader.field()
    if (field === 1) id = reader.varint()
    else if (field === 4) lines.push(readLine(reader.message()))
    else reader.skip(wire)
  }
  raw.locations.set(id, lines)
}

function readLine(reader: Reader): number {
  let fn = 0
  while (!reader.done) {
    const { field, wire } = reader.field()
    if (field === 1) fn = reader.varint()
    else reader.skip(wire)
  }
  return fn
}

function readFunction(reader: Reader, raw: Raw) {
  let id = 0
  const fn = { name: 0, file: 0 }
  while (!reader.done) {
    const { field, wire } = reader.field()
    if (field === 1) id = reader.varint()
    else if (field === 2) fn.name = reader.varint()
    else if (field === 4) fn.file = reader.varint()
    else reader.skip(wire)
  }
  raw.functions.set(id, fn)
}
