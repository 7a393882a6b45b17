/** What only some sizes show. */
import { expect, test } from 'vitest'
import { open, page, setStage } from './stage'

setStage()

test.each([900, 1024, 1280, 1440])('no list of services or targets is cut at %d px', async width => {
  await page.setViewportSize({ width, height: 800 })
  for (const path of ['/?range=1h', '/targets']) {
    await open(path)
    const list = page.locator('.table-scroll')
    expect([path, await list.evaluate(e => e.scrollWidth - e.clientWidth)]).toEqual([path, 0])
  }
})

test.each([390, 1440])('no key covers what it does in the list of keys at %d px', async width => {
  await page.setViewportSize({ width, height: 844 })
  for (const screen of ['profile', 'compare']) {
    await open(`/${screen}?cluster=prod-eu&namespace=shop&service=checkout&range=1h`)
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    const over = await page.locator('.shortcut-help dl > div').evaluateAll(rows =>
      rows
        .filter(row => {
          const words = row.querySelector('dd')?.getBoundingClientRect().left ?? 0
          return [...row.querySelectorAll('kbd')].some(key => key.getBoundingClientRect().right > words)
        })
        .map(row => row.textContent),
    )
    expect(over).toEqual([])
    await page.keyboard.press('Escape')
  }
})

test('the card of a frame lies over nothing but the graph at 390 px', async () => {
  await page.setViewportSize({ width: 390, height: 844 })
  const of = 'cluster=prod-eu&namespace=shop&service=checkout&range=1h'
  await open(`/profile?${of}&view=sandwich&fn=java.util.regex.Matcher.find`)
  const [graphs, table] = await page
    .locator('.panes > *')
    .evaluateAll(parts => parts.map(part => part.getBoundingClientRect().toJSON()))
  expect(graphs.height).toBeGreaterThan(300)
  expect(graphs.bottom).toBeLessThanOrEqual(table.top)
})

test('the table alone has its names, and a notice its place, at 390 px', async () => {
  await page.setViewportSize({ width: 390, height: 844 })
  await open('/profile?cluster=prod-eu&namespace=shop&service=checkout&range=1h&view=top')
  const name = page.locator('.top tbody th').first()
  expect(await name.evaluate(e => e.clientWidth)).toBeGreaterThan(90)
  await open('/profile?service=pricing&range=1h')
  await page.locator('.notice-part').first().waitFor()
  expect(await page.locator('.ledger-line').evaluate(e => e.clientHeight)).toBeLessThan(120)
})

const CHECKOUT = 'cluster=prod-eu&namespace=shop&service=checkout&range=1h'

/** By a pixel or two nobody means to scroll, but bars come, which take room and make more come. */
test.each([390, 1440])('nothing scrolls by a few pixels at %d px', async width => {
  await page.setViewportSize({ width, height: 900 })
  for (const path of [
    '/?range=1h',
    `/profile?${CHECKOUT}`,
    `/changes?${CHECKOUT}`,
    `/compare?${CHECKOUT}`,
    '/functions?range=1h',
    '/targets',
    '/ingest',
  ]) {
    await open(path)
    const few = await page.locator('.app *').evaluateAll(all =>
      all
        .filter(e => {
          const { overflowX, overflowY } = getComputedStyle(e)
          const scrolls = (how: string, over: number) => /auto|scroll/.test(how) && over > 0 && over < 8
          return (
            scrolls(overflowY, e.scrollHeight - e.clientHeight) ||
            scrolls(overflowX, e.scrollWidth - e.clientWidth)
          )
        })
        .map(e => e.outerHTML.slice(0, 120)),
    )
    expect([path, ...few]).toEqual([path])
  }
})

/** Three lines at most; names that wrap and what is in trouble take more. */
test.each([
  ['/?range=1h', '.services-list tbody tr:not(:has(.loss-line, .verdict-link, .badge + .badge))'],
  ['/functions?range=1h', '.functions-list tbody tr'],
  [`/changes?${CHECKOUT}`, '.change-list tbody tr'],
  [`/profile?${CHECKOUT}&timeline=threads`, '.threads-list tbody tr'],
  ['/targets', '.targets tbody tr:first-child'],
])('rows of %s are low at 390 px', async (path, rows) => {
  await page.setViewportSize({ width: 390, height: 844 })
  await open(path)
  await page.locator(rows).first().waitFor()
  const heights = await page.locator(rows).evaluateAll(all => all.map(row => row.clientHeight))
  heights.sort((a, b) => a - b)
  expect(heights[Math.floor(heights.length / 2)]).toBeLessThanOrEqual(76)
  expect(heights[heights.length - 1]).toBeLessThanOrEqual(120)
})

test('what a telephone has no room for of a target is one tap away', async () => {
  await page.setViewportSize({ width: 390, height: 844 })
  await open('/targets')
  const target = page.locator('tbody.target', { hasText: 'async-profiler' }).first()
  const session = target.locator('td[data-label="Session"]')
  expect(await session.isVisible()).toBe(false)
  await target.getByRole('button', { name: /^More about / }).click()
  await session.waitFor()
  await page.setViewportSize({ width: 1440, height: 900 })
  expect(await page.getByRole('button', { name: /^More about / }).count()).toBe(0)
})
