/**
 * What the UI says of a real backend that has nothing to show, and why: node e2e/run.mjs e2e/absent.ts URL WHY [FROM TO].
 */
import { strict as assert } from 'node:assert'
import type { Page } from 'playwright-core'
import { violations } from './axe'
import { launch } from './browser'
import { SHOP, withPage } from './live/visit'

const OF_SHOP = `?${new URLSearchParams(SHOP)}`

export async function main() {
  const [url, why, from = '', to = ''] = process.argv.slice(3)
  const told = REASONS[why]
  assert.ok(told, `${why} is none of ${Object.keys(REASONS).join(', ')}`)
  const browser = await launch()
  try {
    await withPage(browser, page => told(page, url, { from, to }))
  } finally {
    await browser.close()
  }
  console.log(`live UI: ${why} is told`)
}

type Range = Record<'from' | 'to', string>

const REASONS: Record<string, (page: Page, url: string, range: Range) => Promise<void>> = {
  new: nobodyHasReported, // before any sidecar has
  store: storeIsAway, // ClickHouse does not answer
  conflict: conflictIsTold, // another profiler has the only JVM
  lost: lossIsTold, // it had, and the JVM has ended
  idle: idlenessIsTold, // nothing has waited for a lock
  pending: pendingIsTold, // windows are due in the range, and none has arrived
  expensive: expenseIsTold, // the limits forbid the query
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

async function lossIsTold(page: Page, url: string) {
  await page.goto(`${url}/profile${OF_SHOP}`)
  await page.getByRole('heading', { name: /windows? lost, none stored$/ }).waitFor()
  await page.locator('.empty').getByText('Another profiler is active in this JVM').waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('link', { name: 'Look at the targets' }).click()
  await page.locator('tbody.target').getByText('gone').first().waitFor()
  await page.goto(`${url}/ingest`)
  await page.locator('.missing-list').getByText('Another profiler is active in this JVM').waitFor()
}

async function idlenessIsTold(page: Page, url: string) {
  await page.goto(`${url}/profile${OF_SHOP}&type=lock`)
  await page.getByRole('heading', { name: /^Idle: no Lock samples in \d+ windows$/ }).waitFor()
  await page.locator('.empty').getByText('Nothing is missing: all of it was recorded').waitFor()
  await page.locator('.timeline').waitFor()
  assert.deepEqual(await violations(page), [])
}

async function pendingIsTold(page: Page, url: string, range: Range) {
  await page.goto(`${url}/profile${OF_SHOP}&${new URLSearchParams(range)}`)
  await page.getByRole('heading', { name: /^\d+ windows expected, none has arrived yet$/ }).waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('link', { name: 'Look at the targets' }).click()
  await page.locator('tbody.target').first().waitFor()
}

async function expenseIsTold(page: Page, url: string) {
  await page.goto(`${url}/profile${OF_SHOP}`)
  await page.locator('.empty').getByText('query_too_expensive').first().waitFor()
  await page.locator('.empty').getByText('--query-rows').first().waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('button', { name: 'Try again' }).first().waitFor()
}
