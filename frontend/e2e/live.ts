/**
 * The UI against a real backend that profiles the demo shop: node e2e/run.mjs e2e/live.ts URL DIRECTORY. It does
 * what a user would, compares what is shown with the API's own answers, and keeps screenshots in the directory.
 * Any difference, and any error on the page, ends it with a failure.
 */
import { strict as assert } from 'node:assert'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import type { Series, Top } from '../src/api/types'
import { formatPercent, formatScaled, formatValue, scaleFor } from '../src/profile/units'
import { launch, openPage } from './browser'

const PATIENCE_MS = 30_000
const HOT = 'shop.Pricing.applyDiscounts'
const SCREENS = { services: '/', targets: '/targets', service: '' }
const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 420, height: 900 } }

interface Live {
  url: string
  query: URLSearchParams // a span that no new window changes
}

export async function main() {
  const [url, shots] = process.argv.slice(3)
  const live = { url, query: await settledSpan(url) }
  const browser = await launch()
  try {
    await fromServicesToProfile(browser, live)
    await searchZoomAndTable(browser, live)
    await screenshots(browser, live, shots)
  } finally {
    await browser.close()
  }
  console.log('live UI: services, search, zoom, types and table agree with the API')
}

/** The last ten minutes up to the newest window: windows arrive in order, so what is before it is final. */
async function settledSpan(url: string): Promise<URLSearchParams> {
  const now = Math.floor(Date.now() / 1000)
  const service = { service: 'shop', namespace: 'demo' }
  const query = new URLSearchParams({ ...service, type: 'cpu', from: `${now - 600}`, to: `${now}` })
  const series = (await (await fetch(`${url}/api/v1/series?${query}`)).json()) as Series
  const newest = series.points.filter(point => point.windows.stored > 0).pop()
  assert.ok(newest, 'a window is stored')
  const to = Date.parse(newest.start) / 1000
  return new URLSearchParams({ ...service, from: `${to - 600}`, to: `${to}` })
}

async function withPage(browser: Browser, use: (page: Page) => Promise<void>, options = {}) {
  const { page, errors } = await openPage(browser, options, 'real')
  page.setDefaultTimeout(PATIENCE_MS)
  await use(page)
  await page.context().close()
  assert.deepEqual(errors, [])
}

const fromServicesToProfile = (browser: Browser, { url }: Live) =>
  withPage(browser, async page => {
    await page.goto(url)
    await page.getByRole('link', { name: 'shop' }).first().click()
    await page.locator('.flame-host canvas').first().waitFor()
    assert.equal(new URL(page.url()).searchParams.get('service'), 'shop')
  })

const searchZoomAndTable = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    await open(page, live, 'cpu')
    const top = await fetchTop(live, 'cpu')
    await tableAgrees(page, top)
    await searchAndZoom(page, top)
    await cardChipsAndSandwich(page, top)
    for (const type of ['alloc', 'lock']) {
      await page.locator(`nav.tabs a[href*="type=${type}"]`).click()
      const answer = await fetchTop(live, type)
      await page
        .locator('.flame-host')
        .and(page.getByLabel(formatValue(answer.unit, answer.total.value)))
        .waitFor()
      await tableAgrees(page, answer)
    }
  })

async function open(page: Page, { url, query }: Live, type: string) {
  await page.goto(`${url}/profile?${query}&type=${type}`)
  await page.locator('.flame-host canvas').first().waitFor()
}

async function fetchTop({ url, query }: Live, type: string): Promise<Top> {
  const response = await fetch(`${url}/api/v1/top?${query}&type=${type}&limit=10000`)
  assert.equal(response.status, 200)
  return (await response.json()) as Top
}

/** The heaviest rows come to show the API's figures: of a pruned graph, once the exact sums have arrived. */
async function tableAgrees(page: Page, top: Top) {
  const scaleOf = (key: 'self' | 'total') =>
    scaleFor(top.unit, Math.max(...top.functions.map(f => f[key].value)))
  for (const { name, self, total } of top.functions.slice(0, 3)) {
    let row = page.locator('.top tbody tr', { has: page.locator(`th[title="${name}"]`) })
    for (const [key, value] of [
      ['self', self.value],
      ['total', total.value],
    ] as const) {
      const figure = new RegExp(`^${formatScaled(scaleOf(key), value).replace('.', '\\.')}$`)
      row = row.filter({ has: page.locator('.amount-value').filter({ hasText: figure }) })
    }
    try {
      await row.first().waitFor()
    } catch {
      const shown = await page.locator('.top tbody tr').allInnerTexts()
      const foot = await page.locator('.top-foot').innerText()
      throw new Error(
        `no ${name} of ${self.value} and ${total.value} in: ${shown.slice(0, 3).join(' ')} ${foot}`,
      )
    }
  }
}

async function searchAndZoom(page: Page, top: Top) {
  const hot = top.functions.find(f => f.name === HOT)
  assert.ok(hot, `${HOT} is in the profile`)
  await page.keyboard.press('/')
  await page.keyboard.type('applyDiscounts')
  const share = formatPercent(hot.total.value, top.total.value)
  await page.locator('.search-result').getByText(share, { exact: true }).waitFor()
  await page.locator('.flame-host').focus()
  await page.keyboard.press('n')
  await page.locator('.focus-line').getByText('applyDiscounts').waitFor()
  await page.keyboard.press('Enter')
  await page.getByRole('navigation', { name: 'Zoom' }).getByText('applyDiscounts').first().waitFor()
  await page.waitForFunction(() => window.location.hash.length > 1)
  await page.keyboard.press('0')
  await page.waitForFunction(() => window.location.hash.length <= 1)
  await page.getByLabel('Search functions').fill('')
  await page.waitForFunction(() => !new URLSearchParams(window.location.search).has('q'))
}

/** The card of a function, a step and back, and both sides of a sandwich with the sum of the API. */
async function cardChipsAndSandwich(page: Page, top: Top) {
  const hot = top.functions.find(f => f.name === HOT)
  assert.ok(hot, `${HOT} is in the profile`)
  const total = formatValue(top.unit, hot.total.value)
  await page.locator(`.top th[title="${HOT}"]`).first().click()
  const card = page.getByRole('region', { name: `Frame ${HOT}` })
  await card.getByRole('button', { name: 'Focus' }).click()
  await page.getByRole('application', { name: 'shown:' }).waitFor()
  await page.getByRole('button', { name: /^Take back: Only with/ }).click()
  await card.getByRole('button', { name: 'Callers and callees' }).click()
  for (const side of [/^Callers of/, /and what it calls$/]) {
    await page.getByRole('region', { name: side }).locator('h2').getByText(total).waitFor()
  }
  await page.getByRole('button', { name: 'Both', exact: true }).click()
  await card.getByRole('button', { name: 'Close the card' }).click()
}

async function screenshots(browser: Browser, live: Live, directory: string) {
  for (const colorScheme of ['dark', 'light'] as const) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await withPage(
        browser,
        async page => {
          for (const [screen, path] of Object.entries(SCREENS)) {
            if (screen === 'service') await open(page, live, 'cpu')
            else await page.goto(live.url + path)
            await page.getByText('shop').first().waitFor()
            await page.screenshot({ path: join(directory, `${screen}-${colorScheme}-${size}.png`) })
          }
        },
        { colorScheme, viewport },
      )
    }
  }
}
