/** What there is nothing of, and what is said of it: each provoked for real. */
import type { Browser, Page } from 'playwright-core'
import { type Live, open, SHOP, withPage } from './visit'

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name }).waitFor()

export const absencesAreTold = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    for (const [path, params, title] of [
      ['/profile', { ...SHOP, type: 'wall' }, 'Wall clock is not recorded here'],
      ['/profile', { service: 'nobody' }, 'no service nobody has sent anything'],
      ['/changes', { service: 'nobody' }, 'no service nobody has sent anything'],
      ['/compare', { service: 'nobody' }, 'no service nobody has sent anything'],
      ['/profile', { ...SHOP, version: 'none' }, /This range has no windows of version none/],
      ['/targets', { service: 'nobody' }, 'No target of a service nobody is known'],
      ['/', { q: 'nobody' }, /No service matches/],
      ['/targets', { q: 'nobody' }, /No target matches/],
      ['/functions', { q: 'nobody' }, /No function matches/],
      ['/profile', { ...SHOP, t: 'focus:nobody.calls' }, 'No stack passes the filters'],
    ] as [string, Record<string, string>, string | RegExp][]) {
      await open(page, live, path, params)
      await heading(page, title)
    }
    await open(page, live, '/profile', { ...SHOP, q: 'nobody' })
    await page.locator('.search-result').getByText('No function matches').waitFor()
    await longAgo(page, live)
  })

/** A range before the first window leads to the last one. */
async function longAgo(page: Page, { url, from }: Live) {
  await open(page, { url, from: from - 7200, to: from - 3600 }, '/profile', SHOP)
  await heading(page, 'This range has no windows')
  await page.getByRole('button', { name: /^Show the 15 minutes before/ }).click()
  await page.locator('.flame-host canvas').first().waitFor()
  await open(page, { url, from: from - 7200, to: from - 3600 }, '/')
  await page.locator('.row-link').getByText('none in this range').waitFor()
}
