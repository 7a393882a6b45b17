/** What the limit of nodes leaves out below a frame, of a profile and of a comparison: shown on request, as the API answers it. */
import { strict as assert } from 'node:assert'
import type { Browser, Page } from 'playwright-core'
import type { Diff, Flame } from '../../src/api/types'
import { formatValue } from '../../src/profile/units'
import { formatUrl, parseUrl } from '../../src/url'
import { settled } from '../browser'
import { deepestOmitted, insideOf } from '../flame'
import { askNow, type Live, query, SHOP, withPage } from './visit'

/** So few that much is left out. */
const NODES = '60'

export const omittedIsShown = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    const base = { baseFrom: `${live.from}`, baseTo: `${live.to - 30}` }
    const asked = query(live, { ...SHOP, type: 'cpu', nodes: NODES })
    const flame = await askNow<Flame>(live, `flame?${asked}`)
    const path = deepestOmitted(flame)
    await showInside(page, live, '/profile', asked, path)
    const inside = await askNow<Flame>(live, `flame?${asked}&${ofPath(path)}`)
    assert.deepEqual(inside.total, flame.total)
    await graphOf(page, formatValue(inside.unit, insideOf(inside)))

    const both = new URLSearchParams([...asked, ...Object.entries(base)])
    const diff = await askNow<Diff>(live, `diff?${both}`)
    const where = deepestOmitted({ ...diff, ...diff.base })
    await showInside(page, live, '/compare', both, where)
    const alone = await askNow<Diff>(live, `diff?${both}&${ofPath(where)}`)
    await page.getByRole('button', { name: 'Side by side' }).click()
    for (const [letter, side] of [
      ['A', alone.base],
      ['B', alone.head],
    ] as const) {
      await graphOf(page, `${letter}: ${formatValue(alone.unit, insideOf(side))}`)
    }
  })

const ofPath = (names: string[]) => new URLSearchParams(names.map(name => ['path', name]))

async function showInside(page: Page, live: Live, screen: string, asked: URLSearchParams, zoom: string[]) {
  assert.ok(zoom.length > 0, `frames are omitted below a frame of ${screen}`)
  await page.goto(live.url + formatUrl({ ...parseUrl(screen, `?${asked}`, ''), zoom }))
  await settled(page)
  await page.getByRole('button', { name: /^Show omitted frames/ }).click()
  await page.getByRole('button', { name: /^Take back: In full/ }).waitFor()
  await settled(page)
}

const graphOf = (page: Page, amount: string) =>
  page.getByRole('application', { name: amount }).first().waitFor()
