/** The screen of a service, operated as a user would, checked against the answers that it was given. */
import { expect, test } from 'vitest'
import type { Flame } from '../src/api/types'
import { decode } from '../src/profile/decode'
import { matchedAmount, matchFunctions } from '../src/profile/search'
import { sortTop, type TopRow, topTable } from '../src/profile/top'
import { buildTree, ROOT } from '../src/profile/tree'
import {
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatScaled,
  formatValue,
  scaleFor,
} from '../src/profile/units'
import { settled } from './browser'
import { FIXTURE_NOW } from './fixture/server'
import { deepestOmitted, fetchFlame, HOUR, heaviestPath, insideOf, locateFrame, widestOmitted } from './flame'
import { lastAnswer, open, page, server, setStage } from './stage'

const CHECKOUT = '/profile?cluster=prod-eu&namespace=shop&service=checkout&range=1h'

setStage()

const url = () => new URL(page.url())
const nth = (row: number) => page.locator('.top tbody tr[aria-rowindex]').nth(row)

/** The ledger is one line until it is asked. */
async function openLedger() {
  await page.locator('.ledger-line > summary').click()
}

const locateIn = async (service: string, path: string[]) => {
  const flame = fetchFlame(server, service)
  return { flame, ...(await locateFrame(page, flame, path)) }
}

test('search tells the matched share of the total, and the table shows the matches', async () => {
  const flame = fetchFlame(server, 'checkout')
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
  await expect.poll(() => url().searchParams.get('q')).toBe('regex')

  await page.getByLabel('Search functions').fill('/(/')
  await result.getByText(/Invalid regular expression/).waitFor()
  await page.getByLabel('Search functions').fill('nothing like this')
  await result.getByText('No function matches').waitFor()
})

test('a click zooms, pins a card, leaves the table alone, and the back button undoes the zoom', async () => {
  const path = heaviestPath(fetchFlame(server, 'checkout'), 10)
  await open(CHECKOUT)
  const first = await nth(0).innerText()
  const { flame, ...at } = await locateIn('checkout', path)
  await page.mouse.move(at.x, at.y)
  const name = path[path.length - 1]
  const short = name.split('.').slice(-2).join('.')
  await page.locator('.tooltip-title').getByText(short).waitFor()
  expect(await page.locator('.tooltip').innerText()).toContain(formatValue('ns', at.tree.total[at.node]))
  await page.mouse.click(at.x, at.y)
  await page.locator('.crumbs strong').getByText(short).waitFor()
  await expect.poll(() => url().hash).toBe(`#zoom=${path.map(encodeURIComponent).join(';')}`)
  expect(url().searchParams.has('fn')).toBe(false)
  expect([await nth(0).innerText(), await page.locator('.top-host').evaluate(e => e.scrollTop)]).toEqual([
    first,
    0,
  ])
  const card = page.locator('.frame-card')
  await card.getByText(formatValue('ns', at.tree.total[at.node]), { exact: true }).waitFor()
  await card.getByText(`${formatPercent(at.tree.total[at.node], flame.total.value)} of total`).waitFor()
  await card.getByText(`${at.tree.totalCount[at.node].toLocaleString('en-US')} samples`).waitFor()

  await page.reload()
  await page.locator('.crumbs strong').getByText(short).waitFor()
  await page.goBack()
  await expect.poll(() => url().hash).toBe('')
})

test('ancestors above a zoom are folded: the zoomed frame is the first row', async () => {
  const path = heaviestPath(fetchFlame(server, 'checkout'), 6)
  await open(CHECKOUT)
  const at = await locateIn('checkout', path)
  await page.mouse.click(at.x, at.y)
  await page.locator('.minimap').waitFor()
  await settled(page)
  const box = await page.locator('.flame-host').boundingBox()
  await page.mouse.move((box?.x ?? 0) + 30, (box?.y ?? 0) + 8)
  await page.locator('.tooltip-title').getByText(path[5].split('.').slice(-2).join('.')).waitFor()
  await page.keyboard.press('Tab')
  await page.locator('.flame-host').focus()
  await page.keyboard.press('-')
  await expect.poll(() => url().hash.split(';').length).toBe(5)
})

test('steps are chips: focus, hide, fold; each can be taken back, and a link carries them', async () => {
  const flame = fetchFlame(server, 'checkout')
  const path = heaviestPath(flame, 12)
  const [name, short] = [path[11], path[11].split('.').slice(-2).join('.')]
  const profile = decode(flame)
  const tree = buildTree(profile)
  const row = topTable(profile, tree).find(r => r.name === name)
  await open(CHECKOUT)
  const at = await locateIn('checkout', path)
  await page.mouse.click(at.x, at.y, { button: 'right' })
  const card = page.locator('.frame-card')
  await card.getByRole('button', { name: 'Focus' }).click()
  await page.locator('.chips').getByText(short).waitFor()
  await page.getByRole('application', { name: `shown: ${formatValue('ns', row?.total ?? 0)}` }).waitFor()
  await expect.poll(() => url().searchParams.getAll('t')).toEqual([`focus:${name}`])
  await page.getByRole('button', { name: /^JDK: in colour/ }).click()
  await expect.poll(() => url().searchParams.get('grey')).toBe('jdk')
  await page.getByRole('button', { name: /^JDK: in grey/ }).click()
  await expect.poll(() => url().searchParams.get('fold')).toBe('jdk')
  await expect.poll(() => page.locator('.top tbody th[title^="java."]').count()).toBe(0)
  await page.reload()
  await page.getByRole('button', { name: 'Take back: Folded JDK' }).click()
  await page.getByRole('button', { name: `Take back: Only with ${short}` }).click()
  await page.getByRole('application', { name: formatValue('ns', flame.total.value) }).waitFor()
  await expect.poll(() => url().search).toBe(new URL(server.url + CHECKOUT).search)
})

test('callers and callees: from the card, with the sums of the API', async () => {
  await open(`${CHECKOUT}&fn=java.util.regex.Matcher.find`)
  await page.locator('.frame-card').getByRole('button', { name: 'Callers and callees' }).click()
  const query = new URLSearchParams({
    service: 'checkout',
    type: 'cpu',
    function: 'java.util.regex.Matcher.find',
    from: String(HOUR.from),
    to: String(HOUR.to),
  })
  const callers = server.answer<Flame>(`/api/v1/callers?${query}`)
  const inside = formatValue('ns', callers.total.value - callers.outside.value)
  await page.getByRole('region', { name: 'Callers of Matcher.find' }).getByText(inside).waitFor()
  await page.getByRole('region', { name: 'Matcher.find and what it calls' }).getByText(inside).waitFor()
  await expect.poll(() => server.requests.some(r => r.startsWith('/api/v1/callees?'))).toBe(true)
  await page.getByRole('application', { name: /^Callers of Matcher.find/ }).focus()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await expect.poll(() => url().searchParams.get('fn')).toBe('com.acme.pricing.DiscountRules.evaluate')
})

test('the graph has 65 % of the height, and is on the first screen of a phone', async () => {
  await open(CHECKOUT)
  const wide = await page.locator('.flame-host').boundingBox()
  expect(wide?.height).toBeGreaterThanOrEqual(0.65 * 900)
  expect((wide?.y ?? 900) + (wide?.height ?? 0)).toBeLessThanOrEqual(900)
  await page.setViewportSize({ width: 390, height: 844 })
  await expect.poll(async () => (await page.locator('.flame-host').boundingBox())?.y).toBeLessThan(844 / 2)
})

test('a search on a scrolled graph comes to its first match', async () => {
  const [first] = heaviestPath(fetchFlame(server, 'checkout'), 1)
  await page.setViewportSize({ width: 1440, height: 300 })
  await open(`${CHECKOUT}&view=flame`)
  const host = page.locator('.flame-host')
  const scrolled = () => host.evaluate(e => e.scrollTop)
  await host.evaluate(e => e.scrollTo(0, e.scrollHeight))
  expect(await scrolled()).toBeGreaterThan(60)
  await page.getByLabel('Search functions').fill(first)
  await expect.poll(scrolled).toBeLessThan(60)
})

test('no cell of the table reaches into the next', async () => {
  for (const width of [390, 768, 1440]) {
    await page.setViewportSize({ width, height: 900 })
    await open(CHECKOUT)
    const wide = await page
      .locator('.top td')
      .evaluateAll(cells =>
        cells.filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent),
      )
    expect(wide).toEqual([])
  }
})

test('the heatmap: a cell tells its window', async () => {
  await open(`${CHECKOUT}&timeline=heat`)
  const cell = page.locator('.heat rect').first()
  await cell.hover()
  await page
    .locator('.timeline-tip')
    .getByText(/cores, .* samples/)
    .waitFor()
})

test('while the user points, new data waits for him', async () => {
  const asked = () => server.requests.filter(r => r.startsWith('/api/v1/flame?')).length
  await page.clock.install({ time: FIXTURE_NOW * 1000 })
  await open(CHECKOUT.replace('range=1h', 'range=6h')) // which refreshes every two minutes
  const box = await page.locator('.flame-host').boundingBox()
  await page.mouse.move((box?.x ?? 0) + 30, (box?.y ?? 0) + 8)
  await page.locator('.tooltip').waitFor()
  const before = asked()
  await page.clock.runFor(130_000)
  await page.getByRole('button', { name: 'New data' }).waitFor()
  expect(asked()).toBe(before)
  await page.getByRole('button', { name: 'New data' }).click()
  await expect.poll(asked).toBeGreaterThan(before)
  await page.getByRole('button', { name: 'New data' }).waitFor({ state: 'detached' })
})

test('who types and presses Enter at once comes to a match of what he typed', async () => {
  await open(`${CHECKOUT}&view=flame`)
  const focused = page.locator('.focus-line')
  const search = page.getByLabel('Search functions')
  for (const [text, found] of [
    ['DiscountRules.evaluate', 'com.acme.pricing.DiscountRules.evaluate'],
    ['Matcher.find', 'java.util.regex.Matcher.find'],
  ]) {
    // In one task of the page, so that no pause can lie between the text and the key.
    await search.evaluate(async (field: HTMLInputElement, typed) => {
      field.select()
      document.execCommand('insertText', false, typed)
      await Promise.resolve() // until React has taken it
      field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))
    }, text)
    await focused.getByText(found).waitFor()
    expect(url().searchParams.get('q')).toBe(text)
  }
})

test('the keyboard alone: move, zoom, reset, next match', async () => {
  const path = heaviestPath(fetchFlame(server, 'checkout'), 3)
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
  await page.keyboard.press('Enter')
  await focused.getByText('java.util.regex.Matcher.find').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('n')
  await focused.getByText('java.util.regex.Matcher.find').waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog').getByText('Zoom out by one frame').waitFor()
  await page.keyboard.press('Escape')
})

test('the top table holds the sums of the answer, in any order, and selects in the graph', async () => {
  const profile = decode(fetchFlame(server, 'checkout'))
  const rows = topTable(profile, buildTree(profile))
  const [bySelf, byTotal] = [sortTop(rows, 'self'), sortTop(rows, 'total')]
  await open(CHECKOUT)
  const [self, total] = [scaleFor('ns', bySelf[0].self), scaleFor('ns', byTotal[0].total)]
  const figures = () => nth(0).locator('.amount-value').allInnerTexts()
  const figuresOf = (row: TopRow) => [formatScaled(self, row.self), formatScaled(total, row.total)]
  expect(await figures()).toEqual(figuresOf(bySelf[0]))
  await page.getByRole('button', { name: /^Total/ }).click()
  await expect.poll(figures).toEqual(figuresOf(byTotal[0]))
  await page.getByRole('button', { name: /^Total/ }).click()
  await expect.poll(figures).toEqual(figuresOf(sortTop(rows, 'total', true)[0]))
  await page.getByRole('button', { name: /^Total/ }).click()
  await expect.poll(figures).toEqual(figuresOf(byTotal[0]))
  await nth(0).click()
  await expect.poll(() => url().searchParams.get('fn')).toBe(byTotal[0].name)
  await nth(0).click()
  await expect.poll(() => url().searchParams.get('fn')).toBeNull()
})

test('each type is shown in its unit', async () => {
  await open(CHECKOUT)
  await openLedger()
  await page.locator('.summary').getByText('CPU time').waitFor()
  await page.getByRole('link', { name: 'Allocation' }).click()
  const flame = fetchFlame(server, 'checkout', 'alloc')
  await page
    .locator('.summary')
    .getByText(`${formatValue('bytes', flame.total.value)} allocated`)
    .waitFor()
  await page.getByRole('link', { name: 'Lock', exact: true }).click()
  await page.locator('.summary').getByText('Contentions', { exact: true }).waitFor()
  await page.getByLabel('More types of profile').first().click()
  await page.getByRole('link', { name: 'Live heap' }).click()
  await expect.poll(() => url().searchParams.get('type')).toBe('live')
  expect(await page.getByRole('link', { name: 'Native lock' }).isVisible()).toBe(false)
})

test('the header adds up: windows, ledger, omitted', async () => {
  const { coverage } = fetchFlame(server, 'checkout')
  await open(CHECKOUT)
  await openLedger()
  const summary = (await page.locator('.summary').innerText()).replace(/\s+/g, ' ')
  const n = (x: number) => x.toLocaleString('en-US')
  expect(summary).toContain(`${coverage.windows.stored} / ${coverage.windows.expected}`)
  expect(summary).toContain(
    `${n(coverage.captured.count)} = ${n(coverage.stored.count)} stored + ${n(coverage.truncated.count)} truncated + ${n(coverage.dropped.count)} dropped`,
  )
  await page.getByText(/^Why: 4 reasons/).click()
  const group = (name: string) => page.locator('.told', { hasText: name })
  await group('Captured, then lost')
    .getByText(`${n(coverage.truncated.count)} truncated + ${n(coverage.dropped.count)} dropped samples`)
    .waitFor()
  expect(await group('Captured, then lost').locator('li').count()).toBe(coverage.losses.length)
  const sum = (key: 'count' | 'value') => coverage.losses.reduce((s, loss) => s + loss[key], 0)
  expect(sum('count')).toBe(coverage.captured.count - coverage.stored.count)
  await group('Not captured').getByText('The sidecar was restarted').waitFor()
})

test('the mean and the kernel’s account stand beside the total', async () => {
  const { coverage } = fetchFlame(server, 'checkout')
  await open(CHECKOUT)
  await openLedger()
  const rate = formatRate('cpu', coverage.perSecond ?? Number.NaN)
  await page.locator('.summary').getByText(`${rate} mean over`).waitFor()
  const { chargedNs = 0, profiledNs = 0 } = coverage.kernelCpu ?? {}
  const account = `profiled ${formatDuration(profiledNs)} of ${formatDuration(chargedNs)} that the kernel charged`
  await page.locator('.summary').getByText(account).waitFor()
  await page.getByRole('link', { name: 'Services' }).first().click()
  await page.locator('tr', { hasText: 'checkout' }).locator('.rate-figure', { hasText: rate }).waitFor()
})

test('samples without a value are counted, drawn and told', async () => {
  const flame = fetchFlame(server, 'pricing')
  await open('/profile?service=pricing&range=1h')
  await openLedger()
  const summary = page.locator('.summary')
  await summary.getByText('not known', { exact: true }).waitFor()
  await page.locator('.notice-fact').getByText('interval_unknown').waitFor()
  await page
    .locator('.notice-fact')
    .getByText(`${flame.total.count.toLocaleString('en-US')} samples without a value`)
    .waitFor()
  await page.getByRole('application', { name: /samples, values unknown/ }).waitFor()
  await expect.poll(() => page.locator('.top tbody tr[aria-rowindex]').count()).toBeGreaterThan(3)
  expect(await page.locator('.top-foot').innerText()).toMatch(/% of [\d,]+\ssamples total/)
})

test('how samples are taken is said by name in the ledger, in full where it is opened, and alarms nobody', async () => {
  const line = page.locator('.ledger-parts')
  for (const [type, names] of [
    ['cpu', ['sampling adapted', 'sampling bounded']],
    ['alloc', ['alloc shares estimated', 'sampling adapted']],
  ] as const) {
    await open(`/profile?namespace=search&cluster=prod-eu&service=search-index&range=1h&type=${type}`)
    const { notices } = fetchFlame(server, 'search-index', type).coverage
    expect(notices.map(notice => notice.reason.replaceAll('_', ' ')).sort()).toEqual(names)
    for (const name of names) await line.getByText(name, { exact: true }).waitFor()
    expect(await line.locator('.notice-part.warn').count()).toBe(0)
    await openLedger()
    for (const { text, remedy } of notices) {
      const rest = text.slice(1)
      await page.locator('.notice-fact dt').getByText(rest).waitFor()
      await page.locator('.notice-fact dd').getByText(remedy).waitFor()
    }
  }
})

test('stacks without their middle are told with every answer that holds them, and where they are drawn', async () => {
  const of = 'cluster=prod-eu&namespace=shop&service=orders&range=1h&type=alloc'
  const told = /frames in the middle of these stacks are shown as \(omitted\)/
  await open(`/profile?${of}&view=flame`)
  await page.locator('.ledger-parts .notice-part.warn').getByText(told).waitFor()
  const flame = lastAnswer<Flame>('/api/v1/flame')
  const { x, y } = await locateFrame(page, flame, widestOmitted(flame))
  await page.mouse.move(x, y)
  await page
    .locator('.tooltip')
    .getByText(/the backend had no room for them/)
    .waitFor()
  await openLedger()
  const notice = flame.coverage.notices.find(one => one.reason === 'stacks_cut')
  await page
    .locator('.notice-fact dd')
    .getByText(`${formatCount(notice?.count ?? 0)} samples`)
    .waitFor()
  await open('/functions?range=1h&type=alloc')
  const all = page.getByRole('region', { name: 'All services together' })
  await all.locator('summary').click()
  await all.getByRole('listitem').getByText(told).waitFor()
  await open(`/compare?${of}&baseBefore=1d`)
  const verdict = page.getByRole('region', { name: 'Verdict' })
  await verdict.getByText(/^A \(.*%\) and B \(.*%\): .* Raise --cache-bytes on the backend/).waitFor()
  await open(`/changes?${of}`)
  await page.getByRole('region', { name: 'Side B' }).getByText(told).waitFor()
})

test('what pruning omitted is counted, and can be asked for', async () => {
  await open('/profile?service=orders&range=1h')
  await openLedger()
  const omitted = page.locator('.fact', { hasText: 'Omitted by pruning' })
  await omitted.getByText(/frames/).waitFor()
  await expect.poll(() => server.requests.some(r => r.startsWith('/api/v1/top?'))).toBe(true)
  await page.getByRole('button', { name: 'Show more' }).click()
  await omitted.getByText('nothing').waitFor()
  await expect.poll(() => Number(url().searchParams.get('nodes'))).toBeGreaterThan(22_000)
})

test('what pruning omitted below a frame is shown where it is zoomed into', async () => {
  const path = deepestOmitted(fetchFlame(server, 'orders'))
  const of = '/profile?cluster=prod-eu&namespace=shop&service=orders&range=1h'
  await open(`${of}#zoom=${path.map(encodeURIComponent).join(';')}`)
  await page.getByRole('button', { name: /^Show omitted frames, .*%$/ }).click()
  await expect.poll(() => url().searchParams.get('inside')).toBe(String(path.length))
  await settled(page)
  const shown = lastAnswer<Flame>('/api/v1/flame')
  expect(shown.outside.count).toBeGreaterThan(0)
  expect(shown.omitted.nodes).toBe(0)
  await page.getByRole('application', { name: formatValue('ns', insideOf(shown)) }).waitFor()
  expect(await page.locator('.top-foot').innerText()).toContain('of the zoomed frame alone')
  await page.reload()
  await settled(page)
  await page.getByRole('button', { name: /^Take back: In full / }).click()
  await page.getByRole('button', { name: /^Show omitted frames/ }).click()
  await page.getByRole('button', { name: /^Reset/ }).click()
  await expect.poll(() => url().searchParams.has('inside')).toBe(false)
  await page.getByRole('application', { name: formatValue('ns', shown.total.value) }).waitFor()
})

test('the screens of a service lead to each other, and a worse version is marked', async () => {
  await open(CHECKOUT)
  const screens = page.getByRole('navigation', { name: 'Screens of this service' })
  await screens.getByRole('link', { name: /^What changed worse than 2\.14\.0/ }).click()
  await page.getByRole('heading', { name: 'What changed' }).waitFor()
  await screens.getByRole('link', { name: 'Compare' }).click()
  await page.getByRole('heading', { name: 'Compare' }).waitFor()
  await screens.getByRole('link', { name: 'Profile' }).click()
  await page.getByRole('heading', { name: 'checkout', exact: true }).waitFor()
  expect(await screens.locator('[aria-current="page"]').innerText()).toBe('Profile')
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
  await page.getByRole('button', { name: 'Live', disabled: true }).waitFor()
})

test('when a refresh fails the old data stays, and says that it is old', async () => {
  await open(CHECKOUT)
  await openLedger()
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
  await live.click() // the next refresh is the user's
  expect(await page.locator('.summary').innerText()).toBe(before)
  server.scenario = 'normal'
  await page.clock.setFixedTime((FIXTURE_NOW + 120) * 1000)
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.locator('.notice').waitFor({ state: 'detached' })
})
