/** Thread groups of a real JVM: the list is the API's, and a profile, a comparison and an export are narrowed to a group. */
import { strict as assert } from 'node:assert'
import type { Browser, Page } from 'playwright-core'
import type { Diff, Flame, Series } from '../../src/api/types'
import { threadList } from '../../src/profile/threads'
import { formatPercent, formatValue } from '../../src/profile/units'
import { settled } from '../browser'
import { ask, type Live, open, SHOP, shows, withPage } from './visit'

const OF = { ...SHOP, type: 'cpu' }

export const threadsAgree = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    const series = await ask<Series>(live, 'series', { ...OF, by: 'thread', points: '1', parts: '50' })
    const { groups, total } = threadList(series)
    const [heaviest] = groups
    assert.ok(groups.length > 2, 'the shop has a pool and other threads')
    await open(page, live, '/profile', { ...SHOP, timeline: 'threads' })
    const table = page.getByRole('table', { name: 'Thread groups' })
    assert.deepEqual(
      (await table.locator('tbody th').allInnerTexts()).map(name => name.split('\n')[0]),
      groups.map(group => group.name),
    )
    await table.getByRole('button', { name: `Only ${heaviest.name}`, exact: true }).click()
    await isNarrowed(page, live, heaviest.name)
    await shows(page, '.ledger-parts', `${formatPercent(heaviest.amount, total)} of all threads`)
    await page.getByRole('button', { name: `Take back: thread group ${heaviest.name}` }).click()
    await settled(page)
    assert.equal(await page.getByRole('list', { name: 'Filters' }).count(), 0)
    await sidesDiffer(page, live, heaviest.name, groups[1].name)
  })

async function isNarrowed(page: Page, live: Live, thread: string) {
  await settled(page)
  const flame = await ask<Flame>(live, 'flame', { ...OF, thread })
  const chosen = formatValue(flame.unit, flame.total.value - flame.outside.value)
  await shows(page, '.ledger-parts', `${chosen} in the chosen threads`)
}

/** One group on side B, another on side A. */
async function sidesDiffer(page: Page, live: Live, head: string, base: string) {
  const range = { baseFrom: `${live.from}`, baseTo: `${live.to}` }
  await open(page, live, '/compare', { ...SHOP, ...range, thread: head })
  await page.locator('.sides-fold > summary').click()
  const side = page.getByRole('region', { name: 'Side A', exact: true })
  await side.getByLabel(`Threads of A: ${head}`).click()
  const choice = side.getByLabel('Thread group of A')
  await choice.locator('option', { hasText: base }).first().waitFor({ state: 'attached' })
  await choice.selectOption(`only ${base}`)
  await side.getByLabel(`Threads of A: ${base}`).waitFor()
  await settled(page)
  const diff = await ask<Diff>(live, 'diff', { ...OF, ...range, thread: head, baseThread: base })
  const chosen = diff.base.total.value - diff.base.outside.value
  assert.ok(chosen > 0 && diff.head.total.value - diff.head.outside.value > chosen)
}
