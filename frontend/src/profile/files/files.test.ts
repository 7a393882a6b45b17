import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { KINDS, type Profile } from '../decode'
import { buildTree, pathTo } from '../tree'
import { openProfile, parseProfile } from './open'
import { FileError } from './opened'

function stacksOf(profile: Profile): Record<string, number> {
  const tree = buildTree(profile)
  const out: Record<string, number> = {}
  for (let node = 1; node < tree.size; node++) {
    if (tree.self[node] === 0) continue
    out[
      pathTo(tree, node)
        .map(n => profile.functions[tree.frame[n]])
        .join(';')
    ] = tree.self[node]
  }
  return out
}
const kindOf = (profile: Profile, name: string) => KINDS[profile.kinds[profile.functions.indexOf(name)]]
const text = (content: string) => new TextEncoder().encode(content)

describe('collapsed', () => {
  test('stacks with spaces, marks of async-profiler, kinds by name', () => {
    const [{ profile, unit }] = parseProfile(
      text('main;java/util/HashMap.get_[j];operator new 3\nmain;JVM::x 2\nmain;sys_read_[k] 1\n'),
    )
    expect(unit).toBe('')
    expect(stacksOf(profile)).toEqual({
      'main;java.util.HashMap.get;operator new': 3,
      'main;JVM::x': 2,
      'main;sys_read': 1,
    })
    const kinds = ['java.util.HashMap.get', 'JVM::x', 'sys_read', 'main'].map(name => kindOf(profile, name))
    expect(kinds).toEqual(['java', 'cpp', 'kernel', 'native'])
  })
  test('a broken line is named', () => {
    expect(() => parseProfile(text('a;b 1\nno number'))).toThrow(
      'Line 2 does not end with a number: no number',
    )
  })
})

describe('speedscope', () => {
  const shared = { frames: [{ name: 'a' }, { name: 'b.C.d', file: 'java' }] }
  test('samples and events, in their units', () => {
    const sampled = {
      type: 'sampled',
      name: 'cpu',
      unit: 'milliseconds',
      samples: [[0, 1], [0]],
      weights: [2, 3],
    }
    const at = (type: string, frame: number, time: number) => ({ type, frame, at: time })
    const evented = {
      type: 'evented',
      name: 'wall',
      unit: 'bytes',
      events: [at('O', 0, 5), at('O', 1, 6), at('C', 1, 9), at('C', 0, 10)],
    }
    const [cpu, wall] = parseProfile(text(JSON.stringify({ shared, profiles: [sampled, evented] })))
    expect([cpu.label, cpu.unit, stacksOf(cpu.profile)]).toEqual(['cpu', 'ns', { 'a;b.C.d': 2e6, a: 3e6 }])
    expect([wall.unit, stacksOf(wall.profile)]).toEqual(['bytes', { 'a;b.C.d': 3, a: 2 }])
  })
  test.each([
    ['{', 'is not JSON'],
    ['{"a": 1}', 'not of speedscope'],
    [
      JSON.stringify({ shared, profiles: [{ type: 'sampled', samples: [[0]], weights: [] }] }),
      'as many weights',
    ],
    [
      JSON.stringify({
        shared,
        profiles: [{ type: 'sampled', name: '', unit: '', samples: [[7]], weights: [1] }],
      }),
      'frame 7 of 2',
    ],
    [
      JSON.stringify({
        shared,
        profiles: [{ type: 'sampled', name: '', unit: '', samples: [[1]], weights: [-1] }],
      }),
      'A weight is -1',
    ],
  ])('%s: %s', (content, message) => expect(() => parseProfile(text(content))).toThrow(message))
})

/** A message of protobuf: field numbers with a number, a text or a message. */
function message(...fields: [number, number | string | Uint8Array][]): Uint8Array {
  const out: number[] = []
  for (const [field, value] of fields) {
    const content = typeof value === 'string' ? text(value) : value
    if (typeof content === 'number') out.push(...varint(field * 8), ...varint(content))
    else out.push(...varint(field * 8 + 2), ...varint(content.length), ...content)
  }
  return Uint8Array.from(out)
}
function varint(value: number): number[] {
  if (value < 0)
    return [...Array.from({ length: 9 }, (_, i) => Number((BigInt(value) >> BigInt(7 * i)) & 127n) | 128), 1]
  const out: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  return [...out, rest]
}
const packed = (...values: number[]) => Uint8Array.from(values.flatMap(varint))

function pprofFile(value = 6e15): Uint8Array {
  const strings = ['', 'samples', 'count', 'cpu', 'nanoseconds', 'main', 'b.C.d', 'java', 'kernel', 'sys']
  return message(
    [1, message([1, 1], [2, 2])],
    [1, message([1, 3], [2, 4])],
    [2, message([1, packed(2, 1)], [2, packed(4, value)])],
    [2, message([1, 1], [2, 1], [2, 250])], // not packed
    [4, message([1, 1], [4, message([1, 1])])],
    [4, message([1, 2], [4, message([1, 3])], [4, message([1, 2], [2, 77])])], // inlined: the leaf is first
    [5, message([1, 1], [2, 5], [4, 7])],
    [5, message([1, 2], [2, 6], [4, 7])],
    [5, message([1, 3], [2, 9], [4, 8])],
    ...strings.map(s => [6, s] as [number, string]),
    [9, 1_700_000_000],
    [14, 3],
  )
}

describe('pprof', () => {
  test('the default type first, stacks from the root, inlined frames, kinds from our export', () => {
    const [cpu, samples] = parseProfile(pprofFile())
    expect([cpu.label, cpu.unit, samples.label, samples.unit]).toEqual(['cpu', 'ns', 'samples', ''])
    expect(stacksOf(cpu.profile)).toEqual({ 'main;b.C.d;sys': 6e15, main: 250 })
    expect(buildTree(cpu.profile).totalCount[0]).toBe(5)
    expect(kindOf(cpu.profile, 'sys')).toBe('kernel')
  })
  test('gzipped, as files are', async () => {
    const [cpu] = await openProfile(new Blob([gzipSync(pprofFile())]))
    expect(stacksOf(cpu.profile)).toEqual({ 'main;b.C.d;sys': 6e15, main: 250 })
  })
  test('a negative value is refused', () => expect(() => parseProfile(pprofFile(-5))).toThrow('is -5'))
  test('cut anywhere, with any byte changed: a FileError or a profile, nothing else', () => {
    const good = pprofFile()
    const attempt = (bytes: Uint8Array) => {
      try {
        parseProfile(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(FileError)
      }
    }
    for (let i = 0; i < good.length; i++) {
      attempt(good.slice(0, i))
      for (const flip of [1, 0x80, 0xff]) attempt(good.map((byte, j) => (i === j ? byte ^ flip : byte)))
    }
  })
})

test('what is none of them is refused, and so is a damaged or too large file', async () => {
  expect(() => parseProfile(text('hello'))).toThrow('neither pprof, speedscope nor collapsed')
  expect(() => parseProfile(new Uint8Array())).toThrow('empty')
  const cut = gzipSync(pprofFile()).subarray(0, 40)
  await expect(openProfile(new Blob([Uint8Array.from(cut)]))).rejects.toThrow('does not unpack')
  const large = { size: 65 * 1024 * 1024 } as Blob
  await expect(openProfile(large)).rejects.toThrow('65\u00a0MiB; the limit is 64\u00a0MiB')
  const bomb = gzipSync(Buffer.alloc(257 * 1024 * 1024))
  await expect(openProfile(new Blob([bomb]))).rejects.toThrow('unpacks to more than 256')
}, 120_000)
