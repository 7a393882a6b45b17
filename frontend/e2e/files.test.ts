/** Ways out of the screen, and the files of other tools on their way in. */
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { fetchFlame } from './flame'
import { open, page, server, setStage } from './stage'

const CHECKOUT = '/profile?cluster=prod-eu&namespace=shop&service=checkout&range=1h'

setStage()
beforeEach(() => open(CHECKOUT))

/** The name and content of what a button of the menu saves. */
async function saved(button: string): Promise<{ name: string; content: Buffer }> {
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: button, exact: true }).click()
  const file = await download
  return { name: file.suggestedFilename(), content: await readFile(await file.path()) }
}

async function drop(name: string, content: Buffer) {
  await page.evaluate(
    ([file, bytes]) => {
      const data = new DataTransfer()
      data.items.add(new File([Uint8Array.from(bytes)], file))
      for (const type of ['dragover', 'drop'])
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true }))
    },
    [name, [...content]] as const,
  )
}

test('what is exported and dropped again is the same profile, with the same tools', async () => {
  const { total } = fetchFlame(server, 'checkout')
  await page.getByLabel('Export').click()
  const { name, content } = await saved('Collapsed stacks')
  expect(name).toBe('checkout.cpu.collapsed.txt')
  const sent = server.requests.length
  await drop('checkout.gz', gzipSync(content))
  await page.getByRole('heading', { name: 'checkout.gz' }).waitFor()
  const graph = page.getByRole('application', { name: /^Flame graph of all/ })
  expect(await graph.getAttribute('aria-label')).toContain(total.value.toLocaleString('en-US'))
  await page.getByLabel('Search functions').fill('DiscountRules')
  await page.locator('.search-result').getByText('1 frame').waitFor()
  await page.locator('.top th', { hasText: 'DiscountRules.evaluate' }).click()
  await page.getByRole('button', { name: 'Callers and callees' }).click()
  await page.getByRole('region', { name: 'Callers of DiscountRules.evaluate' }).waitFor()
  expect(server.requests.slice(sent).filter(r => !/health|session/.test(r))).toEqual([])
  await page.getByRole('button', { name: 'Close the file' }).click()
  await page.getByRole('heading', { name: 'checkout', exact: true }).waitFor()
})

test('a drawing and a picture of what is shown', async () => {
  await page.getByLabel('Export').click()
  const svg = await saved('SVG')
  expect(svg.name).toBe('checkout.cpu.svg')
  expect(svg.content.toString()).toContain('com.acme.pricing.DiscountRules.evaluate')
  const png = await saved('PNG')
  expect(png.content.subarray(1, 4).toString()).toBe('PNG')
})

test('a file that is no profile: why, and back', async () => {
  await drop('notes.txt', Buffer.from('nothing of the kind'))
  await page.getByRole('heading', { name: 'notes.txt cannot be shown' }).waitFor()
  await page.getByText(/neither pprof, speedscope nor collapsed/).waitFor()
  await page.getByRole('button', { name: 'Back' }).click()
  await page.getByRole('heading', { name: 'checkout', exact: true }).waitFor()
})
