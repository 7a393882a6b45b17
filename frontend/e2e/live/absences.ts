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
      ['/profile', { ...SHOP, thread: 'nobody' }, 'No sample of these threads in this range'],
      ['/profile', { ...SHOP, view: 'sandwich' }, 'Whose callers and callees?'],
      ['/profile', { ...SHOP, type: 'heap' }, 'This address cannot be answered as it stands'],
      ['/nowhere', {}, 'There is no such page'],
    ] as [string, Record<string, string>, string | RegExp][]) {
      await open(page, live, path, params)
      await heading(page, title)
    }
    await open(page, live, '/profile', { ...SHOP, q: 'nobody' })
    await page.locator('.search-result').getByText('No function matches').waitFor()
    await longAgo(page, live)
  })

/** A range before the first window: no screen has anything of it, and the profile leads to the last window. */
async function longAgo(page: Page, { url, from }: Live) {
  const past = { url, from: from - 7200, to: from - 3600 }
  for (const [path, title] of [
    ['/functions', /^No CPU samples/],
    ['/compare', 'Neither side has a sample'],
    ['/changes', 'Not enough data to tell a change from chance'],
    ['/profile', 'This range has no windows'],
  ] as const) {
    await open(page, past, path, path === '/functions' ? {} : SHOP)
    await heading(page, title)
  }
  await page.getByRole('button', { name: /^Show the 15 minutes before/ }).click()
  await page.locator('.flame-host canvas').first().waitFor()
  await open(page, past, '/')
  await page.locator('.row-link').getByText('none in this range').waitFor()
}
