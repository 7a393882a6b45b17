/** Every screen and every state in which there is nothing to show. */

import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import type { FleetTop, Services as ServicesAnswer } from '../src/api/types'
import { formatCount } from '../src/profile/units'
import { missingOf, sumWindows } from '../src/screens/ingest/completeness'
import { violations } from './axe'
import { lastAnswer, open, page, server, setStage } from './stage'

setStage()

const heading = (name: string | RegExp) => page.getByRole('heading', { name }).waitFor()
const services = () => page.locator('.row-target').allInnerTexts()

const SERVICE_SCREENS = ['profile', 'compare', 'changes'].map(screen => `/${screen}?service=checkout`)

describe('services', () => {
  test('sorted by cost or trouble, filtered, and each row is a link', async () => {
    await open('/?range=1h')
    await page.locator('.row-target').first().waitFor()
    expect((await services())[0]).toBe('search-index')
    await page.getByLabel('Sort by').selectOption('trouble')
    await expect.poll(async () => (await services())[0]).toBe('payments')
    await page.getByLabel('Filter services').fill('check')
    await expect.poll(services).toEqual(['checkout'])
    await page.locator('.row-link').click({ position: { x: 600, y: 20 } })
    await heading('checkout')
    await expect.poll(() => new URL(page.url()).searchParams.get('range')).toBe('1h')
    await page.goBack()
    await page.getByLabel('Filter services').fill('no such service')
    await heading(/No service matches/)
  })

  test('a version that is worse is marked, and leads to the comparison that says so', async () => {
    await open('/?range=1h')
    const mark = page.getByRole('link', { name: /^worse than 2\.14\.0, \+\d+(\.\d+)?.% CPU$/ })
    await mark.click()
    await heading('What changed')
    const card = page.getByRole('region', { name: 'Verdict on the newest version' })
    await card.getByText(/^Version 2\.14\.1 is worse than 2\.14\.0: the same work takes/).waitFor()
    const versions = () => ['version', 'baseVersion'].map(name => new URL(page.url()).searchParams.get(name))
    await expect.poll(versions).toEqual(['2.14.1', '2.14.0'])
    expect(await card.getByRole('link', { name: 'Show this comparison' }).count()).toBe(0)
    await card.getByRole('listitem').first().getByRole('link').click()
    await heading('checkout')
    await expect.poll(() => new URL(page.url()).searchParams.get('fn')).toMatch(/regex/i)
    await open('/changes?service=search-index&namespace=search&cluster=prod-eu&range=1h')
    await page.getByText(/^No verdict on a new version/).waitFor()
  })

  test('nothing there: what to do', async () => {
    server.scenario = 'empty'
    await open('/')
    await heading('No sidecar has reported yet')
    await page.getByText('profiling.io/enabled: "true"').waitFor()
  })

  test('no range is offered that is longer than data is kept', async () => {
    for (const [scenario, longest, refused] of [
      ['normal', '7 days', '31 days'],
      ['empty', '2 days', '7 days'],
    ] as const) {
      server.scenario = scenario
      await open('/')
      await page.getByLabel(/^Time range/).click()
      const offered = page.locator('.presets')
      await offered.getByRole('button', { name: longest, exact: true }).waitFor()
      expect(await offered.getByRole('button', { name: refused, exact: true }).count()).toBe(0)
    }
    await page.getByRole('button', { name: 'Look at the last 2 days' }).click()
    await page.getByLabel('Time range: Last 2 days').waitFor()
  })

  test('health in the header', async () => {
    await open('/')
    await page.getByLabel(/^Health: Losses in the last hour/).click()
    const body = page.locator('.health-body')
    await body.getByText('48,211').waitFor()
    const section = (title: string) =>
      body.locator('section', { has: page.getByRole('heading', { name: title }) })
    await section('Losses in the last hour').getByText('The sidecar was restarted').waitFor()
    await section('Notices in the last hour').getByText('than the sampling budget asks for').waitFor()
  })
})

test('targets: on a phone the chosen state is in sight', async () => {
  await page.setViewportSize({ width: 390, height: 844 })
  for (const state of ['gone', 'failed']) {
    await open(`/targets?state=${state}`)
    const chosen = await page.locator('.segments [aria-pressed=true]').boundingBox()
    expect(chosen?.x).toBeGreaterThanOrEqual(0)
    expect((chosen?.x ?? 0) + (chosen?.width ?? 0)).toBeLessThanOrEqual(390)
  }
})

test('targets: state, reason, remedy; filtered by state', async () => {
  await open('/targets')
  await page.getByText('/opt/datadog/libjavaProfiler.so').first().waitFor()
  const groups = page.getByRole('list', { name: 'Reasons of several targets' })
  expect(await groups.getByText('Stop the other profiler').count()).toBe(1)
  expect(await page.locator('.trouble').getByText('Stop the other profiler').count()).toBe(0)
  await page.getByText('alloc every 4096 KiB instead of 512').first().waitFor()
  await page.getByText('names of threads are left out, as asked').first().waitFor()
  await page.getByText('no names of threads: an earlier version of the sidecar').first().waitFor()
  await page.getByText('waited 420 ms to be read').first().waitFor()
  await page.getByRole('button', { name: /^Failed/ }).click()
  await expect.poll(() => page.locator('tbody.target').count()).toBe(1)
  await page
    .locator('.trouble')
    .getByText(/run-as-user/)
    .waitFor()
  await page.locator('tbody.target a').click()
  await heading('inventory')
  await expect.poll(() => new URL(page.url()).searchParams.get('series')).toMatch(/^[0-9a-f]{16}$/)
})

describe('pods that asked for profiling', () => {
  test('those without a profile are told, with reason and remedy', async () => {
    await open('/targets')
    const section = page.getByRole('region', { name: 'Pods that asked for profiling' })
    await section.getByRole('heading', { name: '4 pods asked for profiling and have no profile' }).waitFor()
    await section.getByText(/^2 pods: The pod asks for profiling but was created/).click()
    await section.getByText('shop/billing-7d4b9-8wq2z').waitFor()
    await open('/targets?service=ledger')
    await section.getByRole('heading', { name: '1 pod asked for profiling and has no profile' }).waitFor()
    await section.getByText('egress_denied').waitFor()
  })

  test('a webhook that does not answer is told, too', async () => {
    server.scenario = 'sees-nothing'
    await open('/targets')
    await page.getByText(/have no sidecar are not known: ask for the webhook's audit/).waitFor()
  })
})

describe('functions of all services', () => {
  test('each with its share, and the way to the service that has most of it', async () => {
    await open('/functions?range=1h')
    const rows = page.locator('.functions-list tbody tr')
    await rows.first().waitFor()
    const answer = lastAnswer<FleetTop>('/api/v1/fleet/top')
    expect(await rows.count()).toBe(answer.functions.length)
    expect(await rows.first().locator('th').getAttribute('title')).toBe(answer.functions[0].name)
    await page
      .getByRole('region', { name: 'All services together' })
      .getByText(/€[\d.]+ a month$/)
      .waitFor()
    await page.getByText(/Not read: 2 services with/).waitFor()
    await page.getByRole('group', { name: 'Order' }).getByRole('button', { name: 'Total' }).click()
    await expect.poll(() => server.requests.some(r => /fleet\/top.*order=total/.test(r))).toBe(true)
    await page.getByLabel('Filter functions').fill('matcher.find')
    await expect.poll(() => rows.count()).toBe(1)
    await rows.first().getByRole('link').click()
    await heading(answer.functions.find(f => f.name === 'java.util.regex.Matcher.find')?.most.service ?? '')
    await expect.poll(() => new URL(page.url()).searchParams.get('fn')).toBe('java.util.regex.Matcher.find')
  })

  test('nothing there: why', async () => {
    server.scenario = 'empty'
    await open('/functions')
    await heading(/^No CPU samples: last 15 minutes/)
    await page.getByText('no_target').waitFor()
  })
})

describe('ingest', () => {
  test('what is missing, why and what to do; the figures are those of the API', async () => {
    await open('/ingest?range=1h')
    await page.locator('.ingest-verdict').waitFor()
    const answer = lastAnswer<ServicesAnswer>('/api/v1/services')
    const windows = sumWindows(answer.services)
    const verdict = await page.locator('.ingest-verdict').innerText()
    expect(verdict).toContain(`of ${formatCount(windows.expected)} expected windows are stored`)
    expect(verdict).toContain(`${formatCount(windows.lost)} windows are lost`)
    expect(verdict).toContain('Stop the other profiler')
    await page.locator('.history svg').waitFor()
    const reasons = page.locator('section', { hasText: 'What is lost, and why' }).locator('tbody tr')
    expect(await reasons.count()).toBe(missingOf(answer.services).length)
    await reasons.first().getByRole('link', { name: 'payments' }).click()
    await heading('payments')
  })

  test('the history is for readers of every namespace, and others are told so', async () => {
    server.scenario = 'sees-nothing'
    await open('/ingest')
    await page.getByText('shown to readers of every namespace').waitFor()
  })
})

describe('why there is nothing to show', () => {
  test.each([
    ['mailer', /^Idle: no CPU samples in 14 windows/],
    ['mailer&type=wall', 'Wall clock is not recorded here'],
    ['payments', 'None of 2 targets is profiled'],
    ['inventory', /14 windows lost, none stored/],
    ['notifications', /15 windows expected, none has arrived yet/],
    ['legacy-batch', 'This range has no windows'],
    ['reports', /would read 412,000,000 rows/],
    ['broken-proxy', 'The answer of the backend cannot be drawn'],
    ['nobody', /no service nobody has sent anything/i],
  ])('%s', async (service, name) => {
    await open(`/profile?service=${service}`)
    await heading(name)
  })

  test('the way back to the last windows', async () => {
    await open('/profile?service=legacy-batch')
    await page.getByRole('button', { name: /^Show the 15 minutes before/ }).click()
    await page.locator('.timeline').waitFor()
    await expect.poll(() => new URL(page.url()).searchParams.has('from')).toBe(true)
  })

  test('the store is unavailable: a banner on every screen', async () => {
    server.scenario = 'store-down'
    await open('/ingest')
    await page.locator('.banner').getByText('queued in the sidecars').waitFor()
    await page.getByText('Nothing can be stored: ClickHouse does not answer.').waitFor()
    await page
      .locator('main')
      .getByText(/started again 2 times, last 5\sm ago \(signal: aborted\)/)
      .waitFor()
    await page.locator('.banner').getByText('connection refused').waitFor()
    await page.locator('main').getByText('Days given up for room').waitFor()
    for (const path of ['/', '/targets', ...SERVICE_SCREENS]) {
      await open(path)
      await page.locator('.banner').getByText('queued in the sidecars').waitFor()
      await heading('The store is unavailable')
    }
  })

  test.each([
    ['/profile?service=checkout&from=1781533842&to=1781530242', 'from=1781533842', /swap them/],
    [
      '/profile?service=checkout&type=heap',
      'type=heap',
      /Use one of cpu, alloc, lock, wall, live, nativemem, nativelock/,
    ],
    ['/profile', 'service=', /Name the service/],
    ['/?range=99d', 'range=99d', /up to 31d/],
  ])('%s is not answered with something else', async (path, part, remedy) => {
    await open(path)
    await heading('This address cannot be answered as it stands')
    await page.locator('.empty').getByText(part).waitFor()
    await page.locator('.empty').getByText(remedy).waitFor()
    expect(await page.locator('.timeline, .summary, table').count()).toBe(0)
    expect(server.requests.filter(r => /flame|series|services/.test(r))).toEqual([])
  })

  test('a service that nobody knows has no targets', async () => {
    await open('/targets?service=nobody')
    await heading('No target of a service nobody is known')
  })

  test('an unknown service: the way back, and what exists instead', async () => {
    for (const screen of ['profile', 'changes', 'compare']) {
      await open(`/${screen}?service=check`)
      await heading(/no service check has sent anything/i)
      await page.locator('.known-services a').first().waitFor()
      expect(await page.locator('.known-services a').first().innerText()).toBe('checkout')
    }
    await page.locator('.known-services a').first().click()
    await expect.poll(() => new URL(page.url()).pathname).toBe('/compare')
    await page.goBack()
    await page.getByRole('link', { name: 'Go to the services' }).click()
    await page.locator('.row-target').first().waitFor()
  })

  test('no such page', async () => {
    await open('/nowhere')
    await heading('There is no such page')
  })
})

test('the theme is the system’s until the user chooses, and the choice is kept', async () => {
  const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)
  await open('/')
  expect(await scheme()).toBe('light dark')
  await page.getByRole('button', { name: 'Use the light theme' }).click()
  await expect.poll(scheme).toBe('light')
  await page.reload()
  await page.getByRole('button', { name: 'Use the dark theme' }).waitFor()
  await expect.poll(scheme).toBe('light')
})

test('"?" lists the keys of what is on screen; Escape and the button close the list', async () => {
  await open('/?range=1h')
  await page.locator('.row-target').first().waitFor()
  const list = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  for (const close of [() => page.keyboard.press('Escape'), () => list.getByLabel('Close').click()]) {
    await page.keyboard.press('?')
    await list.getByText('Filter services').waitFor()
    expect(await violations(page)).toEqual([])
    await close()
    await list.waitFor({ state: 'detached' })
  }
  await page.keyboard.press('/')
  await page.keyboard.type('a?')
  expect(await page.getByLabel('Filter services').inputValue()).toBe('a?')
  expect(await list.count()).toBe(0)
})

test('Ctrl+K goes to a service, to a function of it, and does things', async () => {
  await open('/?range=1h')
  const box = page.getByRole('combobox', { name: 'Service, function or action' })
  const option = page.getByRole('option', { selected: true })
  await page.keyboard.press('Control+k')
  await box.waitFor()
  await page.keyboard.type('order')
  await option.getByText('orders', { exact: true }).waitFor()
  expect(await violations(page)).toEqual([])
  await page.keyboard.press('Enter')
  await heading('orders')
  await open('/profile?service=checkout&range=1h')
  await heading('checkout')
  await page.keyboard.press('Control+k')
  await box.fill('matcher.find')
  await option.getByText('java.util.regex.Matcher.find').waitFor()
  await page.keyboard.press('Enter')
  await expect.poll(() => new URL(page.url()).searchParams.get('fn')).toBe('java.util.regex.Matcher.find')
  await page.keyboard.press('Control+k')
  await box.fill('nothing like this')
  await page.getByText('Nothing matches “nothing like this”.').waitFor()
  await page.keyboard.press('Escape')
  await box.waitFor({ state: 'detached' })
})

describe('accessible, and not wider than the window', () => {
  const screens = [
    '/?range=1h',
    '/targets',
    '/functions?range=1h',
    '/profile?service=checkout&range=1h&q=regex',
    '/profile?service=checkout&range=1h&timeline=heat&view=sandwich&color=package&fn=java.util.regex.Matcher.find',
    '/profile?service=checkout&range=1h&timeline=line&t=focus:com.acme.pricing.PriceEngine.price&fold=jdk&up=1',
    '/profile?service=payments',
    '/compare?service=checkout&namespace=shop&cluster=prod-eu&version=2.14.1&baseVersion=2.14.0',
    '/changes?service=checkout&namespace=shop&cluster=prod-eu&range=1h',
    '/ingest?range=1h',
  ]
  describe.each([
    ['dark', 1440],
    ['light', 1440],
    ['dark', 768],
    ['light', 390],
    ['dark', 2200],
  ] as const)('%s, %d wide', (colorScheme, width) => {
    test.each(screens)('%s', async path => {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 860 })
      await open(path)
      await page.locator('main .card').first().waitFor()
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
      expect(await page.locator('.header').evaluate(e => e.scrollWidth)).toBeLessThanOrEqual(width)
      if (width >= 1440) expect(await cutTables(page)).toEqual([])
      expect(await violations(page)).toEqual([])
    })
  })
})

/** Tables that are wider than their place: on a wide screen nobody should have to scroll them. */
function cutTables(page: Page): Promise<string[]> {
  return page
    .locator('.table-scroll')
    .evaluateAll(all =>
      all.filter(e => e.scrollWidth > e.clientWidth).map(e => `${e.scrollWidth} of ${e.clientWidth} px`),
    )
}
