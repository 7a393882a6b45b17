/** Every screen and every state in which there is nothing to show. */

import type { AxeResults } from 'axe-core'
import { source as axeSource } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch, openPage } from './browser'
import { type FixtureServer, startFixture } from './fixture/server'

let server: FixtureServer
let browser: Browser
let page: Page
let errors: string[]

beforeAll(async () => {
  server = await startFixture()
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})
beforeEach(async () => {
  server.scenario = 'normal'
  const opened = await openPage(browser)
  page = opened.page
  errors = opened.errors
})
afterEach(async () => {
  await page.context().close()
  expect(errors).toEqual([])
})

const open = (path: string) => page.goto(server.url + path)
const heading = (name: string | RegExp) => page.getByRole('heading', { name }).waitFor()
const services = () => page.locator('.row-target').allInnerTexts()

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
    expect(new URL(page.url()).searchParams.get('range')).toBe('1h')
    await page.goBack()
    await page.getByLabel('Filter services').fill('no such service')
    await heading(/No service matches/)
  })

  test('nothing there: what to do', async () => {
    server.scenario = 'empty'
    await open('/')
    await heading('No sidecar has reported yet')
    await page.getByText('profiling.io/enabled: "true"').waitFor()
  })

  test('health in the header', async () => {
    await open('/')
    await page.getByLabel(/^Health: Losses in the last hour/).click()
    await page.locator('.health-body').getByText('48,211').waitFor()
  })
})

test('targets: state, reason, remedy; filtered by state', async () => {
  await open('/targets')
  await page.getByText('/opt/datadog/libjavaProfiler.so').first().waitFor()
  await page.getByRole('button', { name: /^Failed/ }).click()
  await expect.poll(() => page.locator('tbody.target').count()).toBe(1)
  await page
    .locator('.trouble')
    .getByText(/run-as-user/)
    .waitFor()
  await page.locator('tbody.target a').click()
  await heading('inventory')
  expect(new URL(page.url()).searchParams.get('series')).toMatch(/^[0-9a-f]{16}$/)
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
    ['nobody', /No service nobody has data/],
  ])('%s', async (service, name) => {
    await open(`/profile?service=${service}`)
    await heading(name)
  })

  test('the way back to the last windows', async () => {
    await open('/profile?service=legacy-batch')
    await page.getByRole('button', { name: /^Show the 15 minutes before/ }).click()
    await page.locator('.timeline').waitFor()
    expect(new URL(page.url()).searchParams.has('from')).toBe(true)
  })

  test('the store is unavailable: a banner on every screen', async () => {
    server.scenario = 'store-down'
    for (const path of ['/', '/targets', '/profile?service=checkout']) {
      await open(path)
      await page.locator('.banner').getByText('queued in the sidecars').waitFor()
      await heading('The store is unavailable')
    }
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
  expect(await scheme()).toBe('light')
  await page.reload()
  await page.getByRole('button', { name: 'Use the dark theme' }).waitFor()
  expect(await scheme()).toBe('light')
})

describe('accessible, and not wider than the window', () => {
  const screens = [
    '/?range=1h',
    '/targets',
    '/profile?service=checkout&range=1h&q=regex',
    '/profile?service=payments',
  ]
  test.each([
    ['dark', 1440],
    ['light', 1440],
    ['dark', 420],
    ['light', 420],
  ] as const)('%s, %d wide', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 860 })
    for (const path of screens) {
      await open(path)
      await page.locator('main .card').first().waitFor()
      await page.waitForLoadState('networkidle')
      expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(width)
      expect(await violations(page), path).toEqual([])
    }
  })
})

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  const results = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<AxeResults> } }
    return axe.run()
  })
  return results.violations.flatMap(v =>
    v.nodes.map(n => `${v.id}: ${n.target.join(' ')} ${n.failureSummary ?? ''}`),
  )
}
