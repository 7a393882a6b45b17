/** What each visit of the real backend stands on. */
import { strict as assert } from 'node:assert'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Series, Top } from '../../src/api/types'
import { openPage, settled } from '../browser'

/** The method of the demo shop that takes most of its CPU time. */
export const HOT = 'shop.Pricing.applyDiscounts'

export interface Live {
  url: string
  from: number // a span that no new window changes
  to: number
}

/** The last ten minutes up to the newest window: windows arrive in order, so what is before it is final. */
export async function settledSpan(url: string): Promise<Live> {
  const now = Math.floor(Date.now() / 1000)
  const span = { url, from: now - 600, to: now }
  const series = await ask<Series>(span, 'series', { ...SHOP, type: 'cpu' })
  const newest = series.points.filter(point => point.windows.stored > 0).pop()
  assert.ok(newest, 'a window is stored')
  const to = Date.parse(newest.start) / 1000
  return { url, from: to - 600, to }
}

export const SHOP = { service: 'shop', namespace: 'demo' }

/** What the API answers for the span, asked beside the page. */
export const ask = <T>(live: Live, path: string, params: Record<string, string>) =>
  askNow<T>(live, `${path}?${query(live, params)}`)

/** What it answers of the present. */
export async function askNow<T>({ url }: Live, path: string): Promise<T> {
  const response = await fetch(`${url}/api/v1/${path}`)
  assert.equal(response.status, 200, await response.clone().text())
  return (await response.json()) as T
}

export function query({ from, to }: Live, params: Record<string, string>): URLSearchParams {
  return new URLSearchParams({ ...params, from: `${from}`, to: `${to}` })
}

export const fetchTop = (live: Live, type: string) => ask<Top>(live, 'top', { ...SHOP, type, limit: '10000' })

/** Lets a visitor use a page of his own, and demands that it logs no error. */
export async function withPage(
  browser: Browser,
  use: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
) {
  const { page, errors } = await openPage(browser, options, 'real')
  try {
    await use(page)
  } catch (error) {
    console.error(`${page.url()} shows:\n${await page.locator('body').innerText()}\n${errors.join('\n')}`)
    throw error
  }
  await page.context().close()
  assert.deepEqual(errors, [])
}

/** Opens a screen for the span, and returns once all that it asked for is there. */
export async function open(page: Page, live: Live, path: string, params: Record<string, string> = {}) {
  await page.goto(`${live.url}${path}?${query(live, params)}`)
  await settled(page)
}

export const openProfile = (page: Page, live: Live, type: string, more: Record<string, string> = {}) =>
  open(page, live, '/profile', { ...SHOP, type, ...more })

/** Waits until a text stands there. */
export async function shows(page: Page, selector: string, text: string | RegExp) {
  await page.locator(selector).getByText(text).first().waitFor()
}
