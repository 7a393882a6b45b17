import { describe, expect, test } from 'vitest'
import { parseUrl } from '../../url'
import { around, baseParams, type Selection, sidesOf, swapped } from './sides'

const NOW = 10_000
const read = (query: string) => parseUrl('/compare', `?${query}`, '')

function sides(query: string) {
  return sidesOf(read(query), NOW)
}

describe('sides of a comparison', () => {
  test('without a base it is the time before, as long', () => {
    const { base, head, same } = sides('service=a&range=15m&version=2')
    expect(head).toMatchObject({ service: 'a', version: ['2'], range: { from: 9100, to: 10_000 } })
    expect(base).toMatchObject({ service: 'a', version: ['2'], range: { from: 8200, to: 9100 } })
    expect(same).toBe(false)
  })

  test.each<[string, Partial<Selection>]>([
    ['service=a&version=2&baseVersion=1', { version: ['1'], range: { from: 9100, to: 10_000 } }],
    ['service=a&version=2&baseVersion=1&baseVersion=0', { version: ['1', '0'] }],
    ['service=a&pod=x&pod=y', { pod: ['x', 'y'] }],
    ['service=a&version=2&baseVersion=*', { version: [] }],
    ['service=a&version=2&pod=x&baseVersion=1', { version: ['1'], pod: [] }],
    ['service=a&version=2&pod=x&baseService=b', { service: 'b', version: [], pod: [] }],
    ['service=a&pod=x&basePod=y', { pod: ['y'] }],
    ['service=a&series=0123456789abcdef&baseVersion=1', { series: '' }],
    ['service=a&thread=p&baseVersion=1', { thread: ['p'] }],
    ['service=a&thread=p&baseThread=q', { thread: ['q'] }],
    ['service=a&thread=p&baseThread=*', { thread: [] }],
    ['service=a&baseBefore=1h', { range: { from: 5500, to: 6400 } }],
    ['service=a&baseFrom=5&baseTo=6', { range: { from: 5, to: 6 } }],
  ])('%s', (query, base) => expect(sides(query).base).toMatchObject(base))

  test('two of the same are said to be', () => {
    expect(sides('service=a&baseService=a').same).toBe(true)
    expect(sides('service=a&baseVersion=*').same).toBe(true)
    expect(sides('service=a&version=1&baseVersion=*').same).toBe(false)
  })

  test.each([
    'service=a&range=15m&version=2&baseVersion=1',
    'service=a&namespace=n&range=15m&version=2&pod=x&baseService=b&baseNamespace=m',
    'service=a&range=15m&version=2&baseVersion=*&baseBefore=1h',
    'service=a&range=15m&pod=x&basePod=*&baseFrom=5&baseTo=9',
    'service=a&range=15m&version=3&version=2&baseVersion=1&baseVersion=0',
    'service=a&range=15m&thread=p&baseThread=q',
    'service=a&range=15m&thread=p&baseThread=*',
  ])('swapped twice is as before: %s', query => {
    const before = read(query)
    const once = { ...before, ...swapped(sidesOf(before, NOW)) }
    const twice = { ...once, ...swapped(sidesOf(once, NOW)) }
    const { base, head } = sidesOf(before, NOW)
    expect(sidesOf(once, NOW)).toMatchObject({ base: head, head: base })
    expect(sidesOf(twice, NOW)).toMatchObject({ base, head })
  })

  test('a request says where the base differs, and its range', () => {
    expect(baseParams(sides('service=a&version=2&range=15m&baseVersion=*'))).toEqual({
      baseFrom: 9100,
      baseTo: 10_000,
      baseVersion: [],
    })
    expect(baseParams(sides('service=a&namespace=n&range=15m&baseService=b'))).toEqual({
      baseFrom: 9100,
      baseTo: 10_000,
      baseCluster: [''],
      baseNamespace: [''],
      baseService: 'b',
    })
  })

  test('thread groups of the base are asked for where they are others', () => {
    expect(baseParams(sides('service=a&thread=p&baseThread=*')).baseThread).toEqual([])
    expect(baseParams(sides('service=a&thread=p&baseThread=q')).baseThread).toEqual(['q'])
    expect(baseParams(sides('service=a&thread=p&baseVersion=1')).baseThread).toBeUndefined()
  })

  test('the timeline shows both sides and ends now', () =>
    expect(around({ from: 4000, to: 5200 }, { from: 8800, to: 10_000 }, NOW)).toEqual({
      from: 3000,
      to: 10_000,
    }))
})
