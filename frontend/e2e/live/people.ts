/** Those who have no mouse: a visit by keyboard alone, and one by touch on a telephone. */
import { strict as assert } from 'node:assert'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Flame } from '../../src/api/types'
import { formatValue } from '../../src/profile/units'
import { settled } from '../browser'
import { heaviestPath, locateFrame } from '../flame'
import { ask, fetchTop, HOT, type Live, open, openProfile, SHOP, withPage } from './visit'

const MOST_TABS = 60
const TELEPHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }

/** From the palette over the search to a frame's callers, and back out. */
export const byKeyboard = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    const top = await fetchTop(live, 'cpu')
    const hot = top.functions.find(f => f.name === HOT)
    assert.ok(hot, `${HOT} is in the profile`)
    await open(page, live, '/')
    await page.keyboard.press('Control+k')
    await page.keyboard.type('shop')
    await page.getByRole('option', { selected: true }).getByText('shop', { exact: true }).first().waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'shop', level: 1 }).waitFor()
    await settled(page)
    await page.keyboard.press('/')
    await page.keyboard.type('applyDiscounts')
    await page.locator('.search-result .strong').first().waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.focus-line').getByText('applyDiscounts').waitFor()
    await tabTo(page, page.locator('.flame-host'))
    await page.keyboard.press('m')
    const card = page.getByRole('region', { name: `Frame ${HOT}` })
    await card.waitFor()
    await page.keyboard.press('c')
    const callers = page.getByRole('region', { name: /^Callers of/ })
    await callers.locator('h2').getByText(formatValue(top.unit, hot.total.value)).waitFor()
    await tabTo(page, callers.locator('.flame-host'))
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('ArrowUp')
    await callers.locator('.focus-line').getByText('price').waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor({ state: 'detached' })
  })

/** Goes on with the Tab key until the element has the focus. */
async function tabTo(page: Page, element: Locator) {
  for (let tabs = 0; tabs < MOST_TABS; tabs++) {
    if (await element.evaluate(e => e === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`${element} is more than ${MOST_TABS} steps of the Tab key away`)
}

export const byTouch = (browser: Browser, live: Live) =>
  withPage(
    browser,
    async page => {
      await openProfile(page, live, 'cpu')
      await tapAFrame(page, live)
      await scrolls(page)
      await menusFit(page)
      await open(page, live, '/')
      await page.getByRole('link', { name: 'shop', exact: true }).tap()
      await page.getByRole('heading', { name: 'shop', level: 1 }).waitFor()
    },
    TELEPHONE,
  )

async function tapAFrame(page: Page, live: Live) {
  const flame = await ask<Flame>(live, 'flame', { ...SHOP, type: 'cpu' })
  const path = heaviestPath(flame, 2)
  const { x, y } = await locateFrame(page, flame, path)
  await page.touchscreen.tap(x, y)
  const card = page.getByRole('region', { name: `Frame ${path[1]}`, exact: true })
  await card.getByRole('button', { name: 'Focus' }).tap()
  await page.getByRole('button', { name: /^Take back: Only with/ }).tap()
  await page.getByRole('button', { name: /^Take back: Only with/ }).waitFor({ state: 'detached' })
  assert.equal(await page.locator('.tooltip').count(), 0, 'a tap leaves no tooltip behind')
  await card.getByRole('button', { name: 'Close the card' }).tap()
  await card.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: /^Reset/ }).tap()
}

/** A finger moves the page, and the list of functions in it. */
async function scrolls(page: Page) {
  await settled(page)
  await page.locator('.app').evaluate(e => e.scrollTo(0, 0))
  await swipe(page, page.locator('.workspace .toolbar'))
  await page.waitForFunction(() => (document.querySelector('.app')?.scrollTop ?? 0) > 0)
  await page.locator('.top-host').evaluate(e => e.scrollIntoView({ block: 'center' }))
  await swipe(page, page.locator('.top-host tbody tr').nth(8))
  await page.waitForFunction(() => (document.querySelector('.top-host')?.scrollTop ?? 0) > 0)
}

/** As a finger does that pulls what is below into sight: down, up by small steps, off. What it threw comes to rest: a tap on what still moves only stops it. */
async function swipe(page: Page, element: Locator) {
  const box = await element.boundingBox()
  assert.ok(box, 'there is something to swipe on')
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
  const session = await page.context().newCDPSession(page)
  const send = (type: 'touchStart' | 'touchMove' | 'touchEnd', moved?: number) =>
    session.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: moved === undefined ? [] : [{ x, y: y - moved }],
    })
  await send('touchStart', 0)
  for (let moved = 20; moved <= 240; moved += 20) await send('touchMove', moved)
  await send('touchEnd')
  await session.detach()
  await element.evaluate(comesToRest)
}

/** Resolves when nothing around the element has scrolled for a while. */
async function comesToRest(element: Element) {
  const places = () => {
    let all = ''
    for (let at: Element | null = element; at; at = at.parentElement) all += `${at.scrollTop} `
    return all
  }
  for (let still = 0, last = places(); still < 30; ) {
    await new Promise(done => requestAnimationFrame(done))
    const now = places()
    still = now === last ? still + 1 : 0
    last = now
  }
}

/** What opens lies within the window, and a second tap closes it. */
async function menusFit(page: Page) {
  await page.locator('.app').evaluate(e => e.scrollTo(0, 0))
  for (const label of [/^Time range/, /^Health/, /^Filters/, 'Export']) {
    const menu = page.locator('details.popover', { has: page.getByLabel(label) })
    await menu.locator('summary').tap()
    const body = menu.locator('.popover-body')
    await body.waitFor()
    const box = await body.boundingBox()
    assert.ok(box && box.x >= 0 && box.x + box.width <= 390, `${label} lies at ${JSON.stringify(box)}`)
    await menu.locator('summary').tap()
    await body.waitFor({ state: 'hidden' })
  }
}
