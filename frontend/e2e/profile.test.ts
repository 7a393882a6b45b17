/** The screen of a service, operated as a user would, checked against the answers that it was given. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { decode } from '../src/profile/decode'
import { matchedAmount, matchFunctions } from '../src/profile/search'
import { sortTop, topTable } from '../src/profile/top'
import { buildTree, ROOT } from '../src/profile/tree'
import { formatPercent, formatValue } from '../src/profile/units'
import { launch, openPage } from './browser'
import { FIXTURE_NOW, type FixtureServer, startFixture } from './fixture/server'
import { fetchFlame, HOUR, heaviestPath, locateFrame } from './flame'

const CHECKOUT = '/profile?cluster=prod-eu&namespace=shop&service=checkout&range=1h'

let server: FixtureServer
let browser: Browser
let page: Page
let errors: string[]

beforeAll(async () => {
  server = await startFixture()
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})
beforeEach(async () => {
  server.scenario = 'normal'
  const opened = await openPage(browser)
  page = opened.page
  errors = opened.errors
})
afterEach(async () => {
  await page.context().close()
  expect(errors).toEqual([])
})

const url = () => new URL(page.url())
const nth = (row: number) => page.locator('.top tbody tr[aria-rowindex]').nth(row)

async function open(path: string) {
  await page.goto(server.url + path)
  await page.locator('.flame-host canvas').first().waitFor()
}

test('search tells the matched share of the total, and the table shows the matches', async () => {
  const flame = await fetchFlame(server, 'checkout')
  const profile = decode(flame)
  const tree = buildTree(profile)
  const matched = matchedAmount(
    tree,
    matchFunctions(profile.functions, n => n.includes('regex')),
    ROOT,
  )
  await open(CHECKOUT)
  await page.keyboard.press('/')
  await page.keyboard.type('regex')
  const result = page.locator('.search-result')
  await result.getByText(formatPercent(matched.value, flame.total.value)).waitFor()
  expect(await result.innerText()).toContain(`of ${formatValue('ns', flame.total.value)} total`)
  await expect.poll(() => page.locator('.top tbody tr[aria-rowindex]').count()).toBe(3)
  expect(url().searchParams.get('q')).toBe('regex')

  await page.getByLabel('Search functions').fill('/(/')
  await result.getByText(/Invalid regular expression/).waitFor()
  await page.getByLabel('Search functions').fill('nothing like this')
  await result.getByText('No function matches').waitFor()
})

test('a click zooms, selects the row, and the back button undoes it', async () => {
  const flame = await fetchFlame(server, 'checkout')
  const path = heaviestPath(flame, 10)
  await open(CHECKOUT)
  const at = await locateFrame(page, flame, path)
  await page.mouse.move(at.x, at.y)
  const name = path[path.length - 1]
  await page.locator('.tooltip-title').getByText(name.split('.').slice(-2).join('.')).waitFor()
  expect(await page.locator('.tooltip').innerText()).toContain(formatValue('ns', at.tree.total[at.node]))
  await page.mouse.click(at.x, at.y)
  await page.getByRole('navigation', { name: 'Zoom' }).waitFor()
  expect(url().hash).toBe(`#zoom=${path.map(encodeURIComponent).join(';')}`)
  expect(url().searchParams.get('fn')).toBe(name)
  await page.locator('.top tr.selected').getByText(name.split('.').slice(-2).join('.')).waitFor()

  await page.reload()
  await page.getByRole('navigation', { name: 'Zoom' }).waitFor()
  await page.goBack()
  await expect.poll(() => url().hash).toBe('')
  await page.getByRole('navigation', { name: 'Zoom' }).waitFor({ state: 'detached' })
})

test('the keyboard alone: move, zoom, reset, next match', async () => {
  const path = heaviestPath(await fetchFlame(server, 'checkout'), 3)
  await open(CHECKOUT)
  await page.locator('.flame-host').focus()
  const focused = page.locator('.focus-line')
  await page.keyboard.press('ArrowDown')
  await focused.getByText(/^all/).waitFor()
  for (const name of path) {
    await page.keyboard.press('ArrowDown')
    await focused.getByText(name).waitFor()
  }
  await page.keyboard.press('Enter')
  await expect.poll(() => url().hash.split(';').length).toBe(3)
  await page.keyboard.press('0')
  await expect.poll(() => url().hash).toBe('')
  await page.getByLabel('Search functions').fill('Matcher.find')
  await page.locator('.search-result').getByText('1 frame').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('n')
  await focused.getByText('java.util.regex.Matcher.find').waitFor()
})

test('the top table holds the sums of the answer, in any order, and selects in the graph', async () => {
  const profile = decode(await fetchFlame(server, 'checkout'))
  const rows = topTable(profile, buildTree(profile))
  const [bySelf, byTotal] = [sortTop(rows, 'self'), sortTop(rows, 'total')]
  await open(CHECKOUT)
  const text = async () => (await nth(0).innerText()).replace(/\s+/g, ' ')
  expect(await text()).toContain(formatValue('ns', bySelf[0].self).replaceAll('\u00a0', ' '))
  await page.getByRole('button', { name: 'Total' }).click()
  await expect.poll(text).toContain(formatValue('ns', byTotal[0].total).replaceAll('\u00a0', ' '))
  await nth(0).click()
  await expect.poll(() => url().searchParams.get('fn')).toBe(byTotal[0].name)
  await nth(0).click()
  await expect.poll(() => url().searchParams.get('fn')).toBeNull()
})

test('each type is shown in its unit', async () => {
  await open(CHECKOUT)
  await page.locator('.summary').getByText('CPU time').waitFor()
  await page.getByRole('link', { name: 'Allocation' }).click()
  const flame = await fetchFlame(server, 'checkout', 'alloc')
  await page
    .locator('.summary')
    .getByText(`${formatValue('bytes', flame.total.value)} allocated`)
    .waitFor()
  await page.getByRole('link', { name: 'Lock', exact: true }).click()
  await page.locator('.summary').getByText('Contentions', { exact: true }).waitFor()
})

test('the header adds up: windows, ledger, omitted', async () => {
  const { coverage } = await fetchFlame(server, 'checkout')
  await open(CHECKOUT)
  const summary = (await page.locator('.summary').innerText()).replace(/\s+/g, ' ')
  const n = (x: number) => x.toLocaleString('en-US')
  expect(summary).toContain(`${coverage.windows.stored} / ${coverage.windows.expected}`)
  expect(summary).toContain(
    `${n(coverage.captured.count)} = ${n(coverage.stored.count)} stored + ${n(coverage.truncated.count)} truncated + ${n(coverage.dropped.count)} dropped`,
  )
  await page.getByText(/^Why: 3 reasons/).click()
  await page.locator('.loss-list').getByText('The sidecar was restarted').waitFor()
})

test('what pruning omitted is counted, and can be asked for', async () => {
  await open('/profile?service=orders&range=1h')
  const omitted = page.locator('.fact', { hasText: 'Omitted by pruning' })
  await omitted.getByText(/frames/).waitFor()
  await expect.poll(() => server.requests.some(r => r.startsWith('/api/v1/top?'))).toBe(true)
  await page.getByRole('button', { name: 'Show more' }).click()
  await omitted.getByText('nothing').waitFor()
  expect(Number(url().searchParams.get('nodes'))).toBeGreaterThan(22_000)
})

test('a drag on the timeline chooses whole steps, and hovering tells their fate', async () => {
  await open(CHECKOUT)
  const box = await page.locator('.timeline-plot').boundingBox()
  if (!box) throw new Error('no timeline')
  const x = (t: number) => box.x + ((t - HOUR.from) / 3600) * box.width
  const start = Math.ceil((HOUR.from + 1200) / 60) * 60
  const lost = Array.from({ length: 60 }, (_, i) => Math.ceil(HOUR.from / 60) * 60 + i * 60).find(
    t => (t / 60) % 30 === 20,
  )
  await page.mouse.move(x((lost ?? 0) + 30), box.y + 20)
  await page.locator('.timeline-tip').getByText('The sidecar was restarted').waitFor()
  await page.mouse.move(x(start + 10), box.y + 20)
  await page.mouse.down()
  await page.mouse.move(x(start + 300), box.y + 20)
  await page.mouse.move(x(start + 590), box.y + 20)
  await page.mouse.up()
  await expect.poll(() => url().searchParams.get('from')).toBe(String(start))
  expect(url().searchParams.get('to')).toBe(String(start + 600))
  expect(await page.getByRole('button', { name: 'Live' }).isDisabled()).toBe(true)
})

test('when a refresh fails the old data stays, and says that it is old', async () => {
  await open(CHECKOUT)
  const before = await page.locator('.summary').innerText()
  server.scenario = 'store-down'
  await page.clock.setFixedTime((FIXTURE_NOW + 60) * 1000)
  const live = page.getByRole('button', { name: 'Live' })
  await live.click()
  await live.click()
  await page
    .locator('.notice')
    .getByText(/The refresh failed.*as of 14:30:42/)
    .waitFor()
  expect(await page.locator('.summary').innerText()).toBe(before)
  server.scenario = 'normal'
  await page.clock.setFixedTime((FIXTURE_NOW + 120) * 1000)
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.locator('.notice').waitFor({ state: 'detached' })
})
