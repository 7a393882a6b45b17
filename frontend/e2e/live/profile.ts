/** The service's own screen: its table, search, zoom, card, steps and sandwich hold the figures of the API. */
import { strict as assert } from 'node:assert'
import type { Browser, Page } from 'playwright-core'
import type { Top } from '../../src/api/types'
import { formatPercent, formatScaled, formatValue, scaleFor } from '../../src/profile/units'
import { fetchTop, HOT, type Live, openProfile, withPage } from './visit'

export const profileAgrees = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    await openProfile(page, live, 'cpu')
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
