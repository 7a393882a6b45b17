/** What a screen is narrowed to: several versions, pods or nodes, each of which can be taken back. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Targets } from '../src/api/types'
import { lastAnswer, open, page, server, setStage } from './stage'

const CHECKOUT = 'cluster=prod-eu&namespace=shop&service=checkout&range=1h'

setStage()

/** The values of a parameter in the last request of a path. */
function asked(path: string, name: string): string[] {
  const request = server.requests.filter(r => r.startsWith(path)).at(-1) ?? ''
  return new URL(request, 'http://x').searchParams.getAll(name)
}

const inAddress = (name: string) => new URL(page.url()).searchParams.getAll(name)

test('a comparison takes several versions and pods on each side', async () => {
  await open(`/compare?${CHECKOUT}&version=2.14.1&baseVersion=2.14.0`)
  await page.locator('.sides-fold > summary').click()
  await page.getByLabel('Version of B').selectOption('+ 2.14.0')
  await expect.poll(() => asked('/api/v1/diff', 'version')).toEqual(['2.14.1', '2.14.0'])
  expect(asked('/api/v1/diff', 'baseVersion')).toEqual(['2.14.0'])
  await page.getByLabel('Version of A').selectOption('+ 2.14.1')
  await expect.poll(() => inAddress('baseVersion')).toEqual(['2.14.0', '2.14.1'])
  await page.getByLabel('Version of A').selectOption('− 2.14.0')
  await expect.poll(() => asked('/api/v1/diff', 'baseVersion')).toEqual(['2.14.1'])
  await page.getByLabel('Version of B').selectOption('All versions')
  await expect.poll(() => asked('/api/v1/diff', 'version')).toEqual([])
  const { targets } = lastAnswer<Targets>('/api/v1/targets')
  const pods = targets.filter(t => t.identity.service === 'checkout').map(t => t.identity.pod)
  await page.getByLabel('Pod of B').selectOption(pods[0])
  await page.getByLabel('Pod of B').selectOption(`+ ${pods[1]}`)
  await expect.poll(() => asked('/api/v1/diff', 'pod')).toEqual([pods[0], pods[1]])
})

test('a profile is narrowed to nodes, each with a chip that takes it back', async () => {
  await open(`/profile?${CHECKOUT}`)
  const { targets } = lastAnswer<Targets>('/api/v1/targets')
  const [one, other] = [...new Set(targets.map(t => t.identity.node))].sort()
  await page.getByLabel(/^Filters/).click()
  await page.getByLabel('Node', { exact: true }).selectOption(one)
  await page.getByLabel('Node', { exact: true }).selectOption(`+ ${other}`)
  await expect.poll(() => asked('/api/v1/flame', 'node')).toEqual([one, other])
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: `Take back: node ${one}`, exact: true }).click()
  await expect.poll(() => asked('/api/v1/flame', 'node')).toEqual([other])
  await page.goBack()
  await expect.poll(() => inAddress('node')).toEqual([one, other])
})

test('what is shown is exported with its steps; what is all is said to be without them', async () => {
  const fn = 'com.acme.pricing.DiscountRules.evaluate'
  await open(`/profile?${CHECKOUT}&t=focus:${fn}`)
  await page.getByLabel('Export').click()
  await page.getByText('Without the zoom and the steps that are on screen').waitFor()
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Collapsed stacks of what is shown' }).click()
  const file = await download
  expect(file.suggestedFilename()).toBe('checkout.cpu.shown.collapsed.txt')
  const lines = (await readFile(await file.path(), 'utf8')).trimEnd().split('\n')
  expect(lines.length).toBeGreaterThan(1)
  expect(lines.filter(line => !line.includes(fn))).toEqual([])
})
