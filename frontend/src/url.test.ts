import { describe, expect, test } from 'vitest'
import { formatUrl, linkTo, parseSpan, parseUrl, resolveRange, type UrlState } from './url'

function read(href: string): UrlState {
  const { pathname, search, hash } = new URL(href, 'http://x')
  return parseUrl(pathname, search, hash)
}

describe('url', () => {
  test('defaults are not written', () => {
    expect(formatUrl(read('/'))).toBe('/')
    expect(formatUrl(read('/profile?service=a&range=15m&type=cpu&view=both'))).toBe('/profile?service=a')
  })

  test('everything survives the way to text and back', () => {
    const state: UrlState = {
      screen: 'profile',
      cluster: 'eu & us',
      namespace: 'shop',
      service: 'check=out',
      range: { kind: 'between', from: 1_700_000_000, to: 1_700_000_900 },
      type: 'lock',
      series: '0123456789abcdef',
      version: '1.2+3',
      view: 'top',
      order: 'name',
      sort: 'trouble',
      state: 'conflict',
      search: '/a?b#c/',
      fn: 'a.B$$Lambda.run',
      nodes: 32_768,
      zoom: ['java.lang.Thread.run', 'a;b', 'c#d%', ''],
    }
    expect(read(formatUrl(state))).toEqual(state)
  })

  test.each([
    ['/profile', 'unknown'],
    ['/nowhere', 'unknown'],
    ['/targets', 'targets'],
    ['/profile?service=a', 'profile'],
  ])('%s is %s', (href, screen) => expect(read(href).screen).toBe(screen))

  test.each([
    'range=0m',
    'range=99999d',
    'range=x',
    'from=5&to=5',
    'from=9&to=1',
    'from=-1&to=x',
    'type=zap&view=zap&order=1&sort=1&series=XYZ&nodes=-4',
  ])('%s falls back to the defaults', query => {
    expect(formatUrl(read(`/targets?${query}`))).toBe('/targets')
  })

  test('a broken fragment is no zoom', () => expect(read('/#zoom=%E0%A4%A').zoom).toEqual([]))
  test('the number of nodes is bounded', () => expect(read('/?nodes=999999999').nodes).toBe(262_144))

  test('another screen keeps the range only', () => {
    const from = read('/profile?service=a&range=6h&type=lock&q=x#zoom=a')
    expect(linkTo(from, 'targets')).toBe('/targets?range=6h')
    expect(linkTo(from, 'profile', { service: 'b' })).toBe('/profile?service=b&range=6h')
  })

  test('spans', () => {
    expect(['90s', '15m', '2h', '7d', '1w', '', '-1m'].map(parseSpan)).toEqual([
      90,
      900,
      7200,
      604_800,
      undefined,
      undefined,
      undefined,
    ])
    expect(resolveRange({ kind: 'last', seconds: 60 }, 1000)).toEqual({ from: 940, to: 1000 })
  })
})
