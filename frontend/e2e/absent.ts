/**
 * What the UI says of a real backend that has nothing to show: node e2e/run.mjs e2e/absent.ts URL new|store|conflict:
 * before any sidecar has reported, while ClickHouse is away, while another profiler has the only JVM.
 */
import { strict as assert } from 'node:assert'
import type { Page } from 'playwright-core'
import { violations } from './axe'
import { launch } from './browser'
import { SHOP, withPage } from './live/visit'

const OF_SHOP = `?${new URLSearchParams(SHOP)}`

export async function main() {
  const [url, why] = process.argv.slice(3)
  const told = { new: nobodyHasReported, store: storeIsAway, conflict: conflictIsTold }[why]
  assert.ok(told, `${why} is neither new, store nor conflict`)
  const browser = await launch()
  try {
    await withPage(browser, page => told(page, url))
  } finally {
    await browser.close()
  }
  console.log(`live UI: ${why} is told`)
}

/** Each screen says what is to do until something comes. */
async function nobodyHasReported(page: Page, url: string) {
  for (const [path, title] of [
    ['/', 'No sidecar has reported yet'],
    ['/targets', 'No sidecar has reported a target'],
    ['/functions', /^No CPU samples/],
    [`/profile${OF_SHOP}`, /no service shop in namespace demo has sent anything/i],
  ] as const) {
    await page.goto(url + path)
    await page.getByRole('heading', { name: title }).waitFor()
    assert.deepEqual(await violations(page), [], `axe on ${path}`)
  }
  await page.goto(`${url}/ingest`)
  await page.getByText('No upload arrived in this range.').waitFor()
}

/** A banner on every screen, and on each its own words for what cannot be shown. */
async function storeIsAway(page: Page, url: string) {
  for (const path of [
    '/',
    '/functions',
    '/targets',
    ...['/profile', '/compare', '/changes'].map(p => p + OF_SHOP),
  ]) {
    await page.goto(url + path)
    await page.getByRole('heading', { name: 'The store is unavailable' }).first().waitFor()
    await page.locator('.banner').getByText('queued in the sidecars').waitFor()
  }
  assert.deepEqual(await violations(page), [])
  await page.goto(`${url}/ingest`)
  await page.getByText('Nothing can be stored: ClickHouse does not answer.').waitFor()
  await page
    .locator('main')
    .getByText(/started again/)
    .waitFor()
}

async function conflictIsTold(page: Page, url: string) {
  await page.goto(`${url}/profile${OF_SHOP}`)
  await page.getByRole('heading', { name: 'The target is not profiled' }).waitFor()
  await page.locator('.empty').getByText('conflict').first().waitFor()
  assert.deepEqual(await violations(page), [])
  await page.goto(`${url}/targets`)
  await page.locator('tbody.target').getByText('conflict').first().waitFor()
  await page.goto(`${url}/?sort=trouble`)
  await page.locator('.row-link').getByText('conflict').first().waitFor()
}
