import { describe, expect, test } from 'vitest'
import {
  changed,
  formatUrl,
  linkTo,
  parseSpan,
  parseUrl,
  pathInside,
  resolveRange,
  type UrlState,
} from './url'

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
      version: ['1.2+3', '1.1'],
      pod: ['check=out-7c9d'],
      container: ['app'],
      node: ['node-1', 'node-2'],
      thread: ['http-nio-#-exec-#', '(unknown)'],
      excludeThread: ['GC Thread #', '(other)'],
      view: 'sandwich',
      timeline: 'heat',
      upward: true,
      coloring: 'package',
      grey: ['jdk', 'kernel'],
      fold: ['native'],
      steps: [
        { kind: 'focus', name: 'a.B:c' },
        { kind: 'library', name: 'java.util' },
      ],
      base: {
        cluster: 'us',
        namespace: 'old',
        service: 'check',
        version: ['1.1', '1.0'],
        pod: ['shop-1'],
        thread: ['pool-#'],
        series: 'fedcba9876543210',
        range: { kind: 'between', from: 1_600_000_000, to: 1_600_000_900 },
      },
      scale: 'share',
      compare: 'sides',
      order: 'name',
      ascending: true,
      sort: 'trouble',
      state: 'conflict',
      search: '/a?b#c/',
      fn: 'a.B$$Lambda.run',
      nodes: 32_768,
      zoom: ['java.lang.Thread.run', 'a;b', 'c#d%', ''],
      inside: 2,
      bad: [],
    }
    expect(read(formatUrl(state))).toEqual(state)
  })

  test.each([
    ['/profile', 'profile'],
    ['/profile/', 'unknown'],
    ['/nowhere', 'unknown'],
    ['/targets', 'targets'],
    ['/profile?service=a', 'profile'],
    ['/compare?service=a', 'compare'],
    ['/changes?service=a', 'changes'],
    ['/ingest', 'ingest'],
  ])('%s is %s', (href, screen) => expect(read(href).screen).toBe(screen))

  test.each([
    ['range=0m', ['range']],
    ['range=99999d', ['range']],
    ['range=x', ['range']],
    ['from=5&to=5', ['from']],
    ['from=9&to=1', ['from']],
    ['from=9&range=1h', ['to']],
    ['from=-1&to=x', ['from', 'to']],
    [
      'type=zap&view=zap&order=1&sort=1&series=XYZ&nodes=-4',
      ['type', 'series', 'view', 'order', 'sort', 'nodes'],
    ],
    ['nodes=999999999', ['nodes']],
    ['inside=-1', ['inside']],
    [Array.from({ length: 51 }, (_, i) => `pod=${i}`).join('&'), ['pod']],
    ['t=focus:', ['t']],
    ['t=explode:a&up=2', ['up', 't']],
    ['baseBefore=1y', ['baseBefore']],
    ['baseFrom=9&baseTo=1', ['baseFrom']],
    ['baseFrom=x&from=9&to=1', ['from', 'baseFrom', 'baseTo']],
    ['baseSeries=1&scale=x&compare=x', ['baseSeries', 'scale', 'compare']],
  ])('%s is not answered with something else', (query, names) => {
    const { bad } = read(`/targets?${query}`)
    expect(bad.map(part => part.name)).toEqual(names)
    for (const part of bad) expect(part.remedy).not.toBe('')
    expect(formatUrl(read(`/targets?${query}`))).toBe('/targets')
  })

  test('a profile is of a service', () => expect(read('/profile').bad.map(p => p.name)).toEqual(['service']))
  test('a reversed range names both ends', () =>
    expect(read('/?from=9&to=1').bad).toEqual([
      { name: 'from', value: '9', remedy: 'It is not before to=1; swap them' },
    ]))

  test('a broken fragment is no zoom', () => expect(read('/#zoom=%E0%A4%A').zoom).toEqual([]))

  test('a frame is shown alone until the zoom leaves it', () => {
    const alone = read('/profile?service=a&inside=2#zoom=a;b;c')
    expect(pathInside(alone)).toEqual(['a', 'b'])
    expect(changed(alone, { zoom: ['a', 'b', 'd'] }).inside).toBe(2)
    expect(changed(alone, { search: 'x' }).inside).toBe(2)
    for (const zoom of [[], ['a'], ['a', 'c', 'b']]) expect(changed(alone, { zoom }).inside).toBe(0)
    expect(changed(alone, { zoom: ['x'], inside: 1 }).inside).toBe(1)
    expect(read('/profile?service=a&inside=2#zoom=a').inside).toBe(0)
    expect(formatUrl({ ...alone, zoom: [] })).toBe('/profile?service=a')
  })

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
