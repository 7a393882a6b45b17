import { describe, expect, test } from 'vitest'
import { KINDS } from './decode'
import { splitName } from './names'
import { formatBytes, formatDuration, formatPercent, formatRate, formatScaled, scaleFor } from './units'

const plain = (text: string) => text.replaceAll('\u00a0', ' ')

test.each([
  [0, '0 s'],
  [840, '840 ns'],
  [1500, '1.5 µs'],
  [12_340_000, '12.3 ms'],
  [999_600_000, '1 s'],
  [1_240_000_000, '1.24 s'],
  [59_960_000_000, '1 m'],
  [512_000_000_000, '8 m 32 s'],
  [3_600_000_000_000, '1 h'],
  [11_100_000_000_000, '3 h 5 m'],
  [187_200_000_000_000, '2 d 4 h'],
])('%d ns is %s', (ns, text) => expect(plain(formatDuration(ns))).toBe(text))

test.each([
  [0, '0 B'],
  [1023, '1,023 B'],
  [1024, '1 KiB'],
  [1_048_300, '1 MiB'],
  [92e6, '87.7 MiB'],
])('%d bytes are %s', (bytes, text) => expect(plain(formatBytes(bytes))).toBe(text))

test.each([
  [0, 100, '0 %'],
  [1, 100_000, '< 0.01 %'],
  [1, 3, '33.3 %'],
  [5, 100, '5.00 %'],
  [9999, 10_000, '99.9 %'],
  [7, 7, '100 %'],
  [1, 0, '–'],
])('%d of %d is %s', (part, whole, text) => expect(plain(formatPercent(part, whole))).toBe(text))

test.each([
  ['cpu', 570e6, '0.57 cores'],
  ['cpu', 1e9, '1 core'],
  ['cpu', 1e5, '< 0.001 cores'],
  ['cpu', 0, '0 cores'],
  ['lock', 2.5e9, '2.5 threads'],
  ['alloc', 2 * 1024 * 1024, '2 MiB/s'],
] as const)('%s, %d a second: %s', (type, rate, text) => expect(plain(formatRate(type, rate))).toBe(text))

describe('names', () => {
  const kind = (name: (typeof KINDS)[number]) => KINDS.indexOf(name)
  test.each([
    ['com.acme.Foo.bar', 'java', 'com.acme.', 'Foo.bar', 'bar'],
    ['Main.main', 'java', '', 'Main.main', 'main'],
    ['main', 'java', '', 'main', 'main'],
    ['com.acme.Foo$$Lambda.run', 'java', 'com.acme.', 'Foo$$Lambda.run', 'run'],
    ['java.util.ArrayList.<init>', 'java', 'java.util.', 'ArrayList.<init>', '<init>'],
    ['java.util.HashMap$Node[]', 'class', 'java.util.', 'HashMap$Node[]', 'HashMap$Node[]'],
    ['byte[]', 'class', '', 'byte[]', 'byte[]'],
    ['ns.x::run(a.b)', 'cpp', '', 'ns.x::run(a.b)', 'ns.x::run(a.b)'],
    ['.hidden', 'java', '', '.hidden', '.hidden'],
    ['', 'java', '', '', ''],
  ] as const)('%s', (name, kindName, scope, short, tail) => {
    expect(splitName(name, kind(kindName))).toEqual({ scope, short, tail })
  })
})

test.each([
  ['ns', 71.2e9, '71.2 s'],
  ['ns', 8.21e9, '8.21 s'],
  ['ns', 6840e9, '114.0 min'],
  ['ns', 12.34e6, '12.3 ms'],
  ['bytes', 300 * 1024 ** 2, '300.0 MiB'],
  ['bytes', 12, '12 B'],
  ['', 1234, '1,234 '],
  ['ns', 0, '0 ns'],
])('one unit per column: %s up to %d', (unit, most, text) => {
  const scale = scaleFor(unit, most)
  expect(`${formatScaled(scale, most)} ${scale.label}`).toBe(text)
})

test('in a unit, what is not nothing does not look like it', () => {
  const seconds = scaleFor('ns', 8.21e9)
  const texts = [240e6, 5e6, 4.9e6, 0].map(ns => plain(formatScaled(seconds, ns)))
  expect(texts).toEqual(['0.24', '0.01', '< 0.01', '0.00'])
})
