/** What only some sizes show. */
import { expect, test } from 'vitest'
import { open, page, setStage } from './stage'

setStage()

test('the list of services is not cut at 1280 px', async () => {
  await page.setViewportSize({ width: 1280, height: 800 })
  await open('/?range=1h')
  await page.locator('.row-link').first().waitFor()
  const list = page.locator('.table-scroll')
  expect(await list.evaluate(e => e.scrollWidth - e.clientWidth)).toBeLessThanOrEqual(0)
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
