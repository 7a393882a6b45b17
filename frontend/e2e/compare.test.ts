/** The comparison of two selections, operated as a user would, checked against the answers that it was given. */
import { expect, test } from 'vitest'
import type { Changes, Diff } from '../src/api/types'
import { decode } from '../src/profile/decode'
import { matchedAmount, matchFunctions } from '../src/profile/search'
import { buildTree, ROOT } from '../src/profile/tree'
import { formatPercent, formatRate, formatValue } from '../src/profile/units'
import { openPage, settled } from './browser'
import { FIXTURE_NOW } from './fixture/server'
import { deepestOmitted, insideOf } from './flame'
import { browser, lastAnswer, open, page, server, setStage } from './stage'

const OF_CHECKOUT = 'cluster=prod-eu&namespace=shop&service=checkout'
const VERSIONS = `/compare?${OF_CHECKOUT}&range=1h&version=2.14.1&baseVersion=2.14.0`

setStage()

const params = () => new URL(page.url()).searchParams
const side = (letter: string) => page.getByRole('region', { name: `Side ${letter}`, exact: true })
const rows = () => page.locator('.changes tbody tr[aria-rowindex]')
/** The choices of the sides are one line once A is chosen. */
const openSides = () => page.locator('.sides-fold > summary').click()

const lastDiff = () => lastAnswer<Diff>('/api/v1/diff')

test('two versions: each side, the verdict and the table say what the API says', async () => {
  await open(VERSIONS)
  await openSides()
  const diff = lastDiff()
  const rates = (['base', 'head'] as const).map(
    name => diff[name].total.value / diff[name].coverage.recordedSeconds,
  )
  for (const [i, letter] of ['A', 'B'].entries()) {
    const { total, coverage } = diff[i === 0 ? 'base' : 'head']
    await side(letter).getByText(formatRate('cpu', rates[i])).waitFor()
    await side(letter).getByText(formatValue('ns', total.value)).waitFor()
    const { stored, expected } = coverage.windows
    await side(letter).getByText(`${stored} / ${expected}`).waitFor()
    await side(letter).getByText(formatPercent(stored, expected)).first().waitFor()
  }
  const more = formatPercent((rates[1] - rates[0]) / rates[0], 1)
  await page.getByRole('region', { name: 'Verdict' }).getByText(`${more} more`).waitFor()
  const first = await rows().first().innerText()
  expect(first).toContain('Pattern$CharPropertyGreedy.match')
  expect(first).toMatch(/150\s% more/)
  await page.getByRole('button', { name: 'Change' }).click()
  await expect.poll(() => rows().first().innerText()).toContain('UTF8JsonGenerator.writeString')
  expect(params().get('asc')).toBe('1')
})

test('less data is said to be less data', async () => {
  const lossy = `from=${FIXTURE_NOW - 300}&to=${FIXTURE_NOW}&baseFrom=${FIXTURE_NOW - 3600}&baseTo=${FIXTURE_NOW - 1800}`
  await open(`/compare?${OF_CHECKOUT}&${lossy}`)
  const [a, b] = [lastDiff().base, lastDiff().head].map(({ coverage: { windows } }) => {
    expect(windows.stored).toBeLessThan(windows.expected)
    return formatPercent(windows.stored, windows.expected)
  })
  const verdict = page.getByRole('region', { name: 'Verdict' })
  await verdict.getByText(`A stands on ${a} and B ${b} of their windows`).waitFor()
  expect(await verdict.getByRole('listitem').count()).toBe(1)
  await open(`/compare?service=checkout&from=${FIXTURE_NOW}&to=${FIXTURE_NOW + 600}&baseBefore=1h`)
  await page.getByText('Side B has no recording, so nothing can be said of a change.').waitFor()
  expect(lastDiff().base.total.count).toBeGreaterThan(0)
  await page.getByText('Side B has nothing to compare: the graph is of A alone').waitFor()
  await rows().first().waitFor()
  expect((await rows().allInnerTexts()).filter(row => /gone|new|more|less/.test(row))).toEqual([])
})

test('two drags on the timeline choose the ranges, and the link holds them', async () => {
  await open(`/compare?${OF_CHECKOUT}&range=1h`)
  const drag = async (from: number, to: number) => {
    await settled(page)
    const box = await page.locator('.compare-plot svg').boundingBox()
    if (!box) throw new Error('the timeline is not on the page')
    const at = (share: number) => [box.x + box.width * share, box.y + 20] as const
    await page.mouse.move(...at(from))
    await page.mouse.down()
    await page.mouse.move(...at((from + to) / 2))
    await page.mouse.move(...at(to))
    await page.mouse.up()
  }
  await drag(0.1, 0.3)
  await expect.poll(() => params().get('baseFrom')).not.toBeNull()
  const base = [params().get('baseFrom'), params().get('baseTo')]
  await page.getByRole('button', { name: 'Drag B', pressed: true }).waitFor()
  const before = params().get('from')
  await drag(0.6, 0.8)
  await expect.poll(() => params().get('from')).not.toBe(before)
  expect([params().get('baseFrom'), params().get('baseTo')]).toEqual(base)
  const [from, to, baseFrom, baseTo] = ['from', 'to', 'baseFrom', 'baseTo'].map(name =>
    Number(params().get(name)),
  )
  expect([from % 60, to % 60, baseFrom % 60, baseTo % 60]).toEqual([0, 0, 0, 0])
  expect(baseTo).toBeLessThanOrEqual(from)
  await expect.poll(() => lastDiff().base.range.from).toBe(new Date(baseFrom * 1000).toISOString())
  await expect.poll(() => lastDiff().head.range.to).toBe(new Date(to * 1000).toISOString())
})

test('a link opens the same comparison in another browser', async () => {
  await open(`${VERSIONS}&q=regex&order=total`)
  await openSides()
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy link' }).click()
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  const link = await page.evaluate(() => navigator.clipboard.readText())
  const other = await openPage(browser, {}, FIXTURE_NOW + 7200)
  await other.page.goto(link)
  await settled(other.page)
  await other.page.locator('.sides-fold > summary').click()
  for (const part of ['.side-base .side-facts', '.side-head .side-facts', '.changes']) {
    const here = await page.locator(part).innerText()
    await expect.poll(() => other.page.locator(part).innerText()).toBe(here)
  }
  expect(await other.page.getByLabel('Search functions').inputValue()).toBe('regex')
  await other.page.context().close()
  expect(other.errors).toEqual([])
})

test('choices of a side, and swapping the sides by a key', async () => {
  await open(`/compare?${OF_CHECKOUT}&range=1h`)
  await page.getByLabel('Range of A').selectOption({ label: '1 day before B' })
  await expect.poll(() => params().get('baseBefore')).toBe('1d')
  await page.getByLabel('Version of A').selectOption('2.14.0')
  await expect.poll(() => params().get('baseVersion')).toBe('2.14.0')
  await page.getByLabel('Service of A').selectOption({ label: 'orders · shop · prod-eu' })
  await expect.poll(() => params().get('baseService')).toBe('orders')
  expect(params().get('service')).toBe('checkout')
  await page.keyboard.press('Escape')
  await page.locator('h1').click()
  await page.keyboard.press('x')
  await expect.poll(() => params().get('service')).toBe('orders')
  expect(params().get('baseService')).toBe('checkout')
  await page.getByLabel('Service of A').selectOption({ label: 'orders · shop · prod-eu' })
  await expect.poll(() => params().has('baseService')).toBe(false)
})

test('each side has its thread groups, offered with their share of it', async () => {
  const pool = 'pricing-worker-#'
  await open(`/compare?${OF_CHECKOUT}&range=1h&thread=main`)
  const asked = (name: string) =>
    new URL(
      server.requests.findLast(r => r.startsWith('/api/v1/diff')) ?? '',
      server.url,
    ).searchParams.getAll(name)
  expect([asked('thread'), asked('baseThread')]).toEqual([['main'], []])
  await page.getByRole('button', { name: 'Take back: thread group main' }).waitFor()
  await side('A').getByLabel('Threads of A: main').click()
  const choice = page.getByLabel('Thread group of A')
  await expect
    .poll(() => choice.locator('option').allInnerTexts())
    .toContainEqual(expect.stringMatching(`^${pool}, .*%$`))
  await choice.selectOption(`only ${pool}`)
  await expect.poll(() => asked('baseThread')).toEqual([pool])
  expect(asked('thread')).toEqual(['main'])
  await side('A').getByLabel(`Threads of A: ${pool}`).waitFor()
  expect(await page.getByRole('button', { name: 'Take back: thread group main' }).count()).toBe(0)
  await choice.selectOption('')
  await expect.poll(() => asked('baseThread')).toEqual([''])
  await settled(page)
  await page.reload()
  await settled(page)
  await openSides()
  await side('A').getByLabel('Threads of A: All threads').waitFor()
  await side('B').getByLabel('Threads of B: main').waitFor()
})

test('once A is chosen the choices are one line, and the graph has half of the first screen', async () => {
  await open(`/compare?${OF_CHECKOUT}&range=1h`)
  await page.getByLabel('Version of A').selectOption('2.14.0')
  await expect.poll(() => params().get('baseVersion')).toBe('2.14.0')
  expect(await side('A').isVisible()).toBe(true)
  await page.reload()
  await settled(page)
  expect(await side('A').isVisible()).toBe(false)
  await page
    .locator('.sides-fold')
    .getByText(/^2\.14\.0, /)
    .waitFor()
  const box = await page.locator('.flame-host').boundingBox()
  expect(Math.min((box?.y ?? 0) + (box?.height ?? 0), 900) - (box?.y ?? 900)).toBeGreaterThanOrEqual(450)
})

test('what is left out is told with its share, and is shown on request', async () => {
  await open('/compare?cluster=prod-eu&namespace=search&service=search-index&range=15m&baseBefore=1d')
  const { nodes, omittedNodes, base, head } = lastDiff()
  expect(omittedNodes).toBeGreaterThan(0)
  const share = ({ omitted, total }: Diff['base']) => formatPercent(omitted.value, total.value)
  const verdict = page.getByRole('region', { name: 'Verdict' })
  await verdict
    .getByText(`lightest ${omittedNodes.toLocaleString('en-US')} of ${nodes.toLocaleString('en-US')} frames`)
    .waitFor()
  await verdict.getByText(`${share(base)} of A and ${share(head)} of B`).waitFor()
  await page.getByText('All that was sampled here ends in frames that are left out.').waitFor()
  await verdict.getByRole('button', { name: 'Show them' }).click()
  await expect.poll(() => lastDiff().omittedNodes).toBe(0)
  await rows().first().waitFor()
})

test('what is left out below a frame is shown where it is zoomed into', async () => {
  const of = '/compare?cluster=prod-eu&namespace=search&service=search-index&range=15m&baseBefore=1d'
  await open(of)
  const whole = lastDiff()
  const path = deepestOmitted({ ...whole, ...whole.base })
  await open(`${of}#zoom=${path.map(encodeURIComponent).join(';')}`)
  await page.getByRole('button', { name: /^Show omitted frames, .*%$/ }).click()
  await expect.poll(() => params().get('inside')).toBe(String(path.length))
  await settled(page)
  const shown = lastDiff()
  expect(shown.omittedNodes).toBe(0)
  expect([shown.base.total, shown.head.total]).toEqual([whole.base.total, whole.head.total])
  for (const side of [shown.base, shown.head]) expect(insideOf(side)).toBeLessThan(side.total.value)
  await page.locator('.change-pane').getByText('of the zoomed frame').waitFor()
  await page.getByRole('button', { name: 'Side by side' }).click()
  await page.getByRole('application', { name: `B: ${formatValue('ns', insideOf(shown.head))}` }).waitFor()
  await page.getByRole('button', { name: 'Leave the zoom' }).click()
  await expect.poll(() => params().has('inside')).toBe(false)
  const left = `lightest ${whole.omittedNodes.toLocaleString('en-US')} of`
  await page.getByRole('region', { name: 'Verdict' }).getByText(left).waitFor()
})

test('a graph is as high as its place, however long the table beside it', async () => {
  for (const view of ['diff', 'sides']) {
    await open(
      `/compare?cluster=prod-eu&namespace=shop&service=search-index&range=15m&nodes=200000&compare=${view}`,
    )
    await rows().first().waitFor()
    expect(await page.locator('.changes').evaluate(table => table.clientHeight)).toBeGreaterThan(900)
    const heights = await page.locator('.flame-host canvas').evaluateAll(all => all.map(c => c.clientHeight))
    expect(heights.length).toBeGreaterThan(0)
    expect(heights.filter(height => height > 900)).toEqual([])
  }
})

test('side by side: a zoom is one of both graphs, by mouse and by keyboard', async () => {
  await open(`${VERSIONS}&compare=sides`)
  const graphs = page.locator('.flame-host')
  await expect.poll(() => graphs.count()).toBe(2)
  await graphs.first().focus()
  for (const key of ['ArrowDown', 'ArrowDown', 'Enter']) await page.keyboard.press(key)
  await expect.poll(() => new URL(page.url()).hash).toMatch(/^#zoom=/)
  await page.getByRole('button', { name: 'Leave the zoom' }).click()
  await expect.poll(() => new URL(page.url()).hash).toBe('')
  await settled(page)
  const box = await graphs.nth(1).boundingBox()
  if (!box) throw new Error('the graph of B is not on the page')
  await page.mouse.move(box.x + 40, box.y + 30)
  await page.locator('.tooltip').getByText('of total').first().waitFor()
  await page.mouse.click(box.x + 40, box.y + 30)
  await expect.poll(() => new URL(page.url()).hash).toMatch(/^#zoom=/)
})

test('what changed: the version before, told from chance, with the way to compare', async () => {
  await open(`/changes?${OF_CHECKOUT}&range=1h`)
  await page.locator('.change-list').waitFor()
  const { changes } = lastAnswer<Changes>('/api/v1/changes')
  const shown = page.locator('.change-list tbody tr')
  expect(await shown.count()).toBe(changes.length)
  const first = await shown.first().innerText()
  for (const text of [
    (changes[0].base * 100).toFixed(2),
    (changes[0].head * 100).toFixed(1),
    'beyond doubt',
  ]) {
    expect(first).toContain(text)
  }
  await side('A').getByText('Version 2.14.0').waitFor()
  await side('B').getByText('Version 2.14.1').waitFor()
  await shown.first().getByRole('link', { name: 'Compare' }).click()
  await page.locator('.sides-fold').getByText('2.14.0, ').waitFor()
  await expect
    .poll(() => [params().get('version'), params().get('baseVersion')])
    .toEqual(['2.14.1', '2.14.0'])
  await page.goBack()
  await page.getByRole('button', { name: 'Yesterday' }).click()
  await expect.poll(() => params().get('baseBefore')).toBe('1d')
  await side('A').getByText('All versions').waitFor()
})

test('what changed: too little data is no answer', async () => {
  await open(`/changes?${OF_CHECKOUT.replace('checkout', 'mailer')}`)
  await page.getByRole('heading', { name: 'Not enough data to tell a change from chance' }).waitFor()
  await page.getByText('compared to itself at the same time yesterday').waitFor()
})

test('a search has its share of both sides, and n goes through its matches', async () => {
  await open(`${VERSIONS}&q=regex`)
  const { base, head } = lastDiff()
  const share = (side: Diff['base']) => {
    const profile = decode({ ...lastDiff(), ...side })
    const matched = matchFunctions(profile.functions, name => name.includes('regex'))
    return formatPercent(matchedAmount(buildTree(profile), matched, ROOT).value, side.total.value)
  }
  const result = page.locator('.search-result')
  await result.getByText(share(base), { exact: true }).waitFor()
  await result.getByText(share(head), { exact: true }).waitFor()
  for (const view of ['Difference', 'Side by side']) {
    await page.getByRole('button', { name: view }).click()
    await settled(page)
    await page.keyboard.press('n')
    await page.locator('.focus-line').getByText('regex').waitFor()
  }
})

test('two of the same, and an unknown service', async () => {
  await open(`/compare?${OF_CHECKOUT}&baseVersion=*`)
  await page.getByText('Both sides are the same selection').waitFor()
  await open(`/compare?${OF_CHECKOUT}&baseService=nobody`)
  await page.getByRole('heading', { name: /no service nobody has sent anything/i }).waitFor()
})
