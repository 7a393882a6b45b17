/** Thread groups: what the range has of them, and a profile that is narrowed to some. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Flame, Series } from '../src/api/types'
import { threadList } from '../src/profile/threads'
import { formatPercent, formatValue } from '../src/profile/units'
import { violations } from './axe'
import { settled } from './browser'
import { lastAnswer, open, page, server, setStage } from './stage'

const OF = 'cluster=prod-eu&namespace=shop&service=checkout&range=1h'
const POOL = 'http-nio-#-exec-#'
const POOL_ASKED = `thread=${encodeURIComponent(POOL)}`
const BY_THREAD = '/api/v1/series?'

setStage()

/** The values of a parameter in the last request of a path, but for those that list groups. */
function asked(path: string, name: string): string[] {
  const request = server.requests.filter(r => r.startsWith(path) && !r.includes('by=thread')).at(-1) ?? ''
  return new URL(request, 'http://x').searchParams.getAll(name)
}

const inAddress = (name: string) => new URL(page.url()).searchParams.getAll(name)
const listed = () =>
  threadList(
    server.answer<Series>(
      server.requests.filter(r => r.startsWith(BY_THREAD) && r.includes('by=thread')).at(-1) ?? '',
    ),
  )

test('the list has the groups of the range with their share, and a row narrows the profile to its group', async () => {
  await open(`/profile?${OF}`)
  expect(server.requests.filter(r => r.includes('by=thread'))).toEqual([])
  await page.getByRole('button', { name: 'Threads', exact: true }).click()
  const table = page.getByRole('table', { name: 'Thread groups' })
  await table.waitFor()
  await settled(page)
  const { groups, total, unit } = listed()
  const names = await table.locator('tbody th').allInnerTexts()
  expect(names.map(name => name.split('\n')[0])).toEqual(groups.map(group => group.name))
  const pool = groups.find(group => group.name === POOL)?.amount ?? 0
  await table.getByText(formatValue(unit, pool), { exact: true }).waitFor()

  await table.getByRole('button', { name: `Only ${POOL}` }).click()
  await expect.poll(() => asked('/api/v1/flame', 'thread')).toEqual([POOL])
  await settled(page)
  const { total: all, outside } = lastAnswer<Flame>('/api/v1/flame')
  expect(all.value - outside.value).toBe(pool)
  await page.getByText(`${formatValue(unit, pool)} in the chosen threads`).waitFor()
  await page.getByText(`${formatPercent(pool, total)} of all threads, which have`).waitFor()
  await page.getByRole('application', { name: `shown: ${formatValue(unit, pool)}` }).waitFor()
  expect(asked('/api/v1/series', 'thread')).toEqual([POOL])
  expect(await table.locator('tbody th').count()).toBe(names.length)

  await page.reload()
  await settled(page)
  const chip = page.getByRole('button', { name: `Take back: thread group ${POOL}` })
  await chip.click()
  await expect.poll(() => asked('/api/v1/flame', 'thread')).toEqual([])
  expect(inAddress('thread')).toEqual([])
  await page.goBack()
  await expect.poll(() => inAddress('thread')).toEqual([POOL])
})

test('the filters offer the groups, heaviest first, to choose or to leave out', async () => {
  await open(`/profile?${OF}&timeline=line`)
  await page.locator('.filters > summary').click()
  const choice = page.getByLabel('Thread group', { exact: true })
  await expect.poll(() => choice.locator('option').count()).toBeGreaterThan(2)
  const { groups, total } = listed()
  const share = (name: string) =>
    `${name}, ${formatPercent(groups.find(group => group.name === name)?.amount ?? 0, total)}`
  expect(await choice.locator('option').allInnerTexts()).toEqual([
    'All thread groups',
    ...groups.map(group => share(group.name)),
  ])
  await page.getByLabel('Without thread group').selectOption(share(POOL))
  await expect.poll(() => asked('/api/v1/flame', 'excludeThread')).toEqual([POOL])
  await choice.selectOption(share(POOL))
  await expect.poll(() => asked('/api/v1/flame', 'thread')).toEqual([POOL])
  expect(asked('/api/v1/flame', 'excludeThread')).toEqual([])
})

test('callers, export, comparison and changes are of the chosen threads', async () => {
  const fn = 'java.util.regex.Matcher.find'
  await open(`/profile?${OF}&${POOL_ASKED}&excludeThread=main&view=sandwich&fn=${fn}`)
  for (const path of ['/api/v1/callers', '/api/v1/callees', '/api/v1/flame', '/api/v1/series']) {
    expect([path, asked(path, 'thread'), asked(path, 'excludeThread')]).toEqual([path, [POOL], ['main']])
  }
  await page.getByLabel('Export').click()
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Collapsed stacks', exact: true }).click()
  expect((await readFile(await (await download).path(), 'utf8')).length).toBeGreaterThan(0)
  expect([asked('/api/v1/export', 'thread'), asked('/api/v1/export', 'excludeThread')]).toEqual([
    [POOL],
    ['main'],
  ])
  for (const [screen, path] of [
    ['compare', '/api/v1/diff'],
    ['changes', '/api/v1/changes'],
  ]) {
    await open(`/${screen}?${OF}&${POOL_ASKED}&excludeThread=main`)
    expect([asked(path, 'thread'), asked(path, 'excludeThread')]).toEqual([[POOL], ['main']])
    await page.getByRole('button', { name: 'Take back: without thread group main' }).click()
    await expect.poll(() => asked(path, 'excludeThread')).toEqual([])
    await page.getByRole('button', { name: `Take back: thread group ${POOL}` }).waitFor()
  }
})

test('the table of a pruned graph is of the chosen threads', async () => {
  await open('/profile?cluster=prod-eu&namespace=shop&service=orders&thread=(unknown)')
  await expect.poll(() => asked('/api/v1/top', 'thread')).toEqual(['(unknown)'])
})

test('what is not told, or not told apart, is said in words', async () => {
  await open(`/profile?${OF}&timeline=threads`)
  const table = page.getByRole('table', { name: 'Thread groups' })
  await table.getByText('not told: the names of threads are switched off').waitFor()
  await table.getByText('thread_limit').waitFor()
  expect(await page.getByText('No thread group is known in this range').count()).toBe(0)
  await open('/profile?cluster=prod-eu&namespace=shop&service=orders&timeline=threads')
  const note = page.locator('.timeline .threads-note')
  await note.getByText('No thread group is known in this range').waitFor()
  await note.getByText('profiling.io/threads: "false"').waitFor()
})

test('threads without a sample are no empty graph, and the heatmap says that it is of all', async () => {
  await open(`/profile?${OF}&thread=nobody&timeline=heat`)
  await page.getByText('of all threads: the sums of windows do not tell them apart').waitFor()
  await page.getByRole('heading', { name: 'No sample of these threads in this range' }).waitFor()
  await page.getByRole('button', { name: 'Show all threads' }).click()
  await expect.poll(() => asked('/api/v1/flame', 'thread')).toEqual([])
  await page.getByRole('application', { name: 'Flame graph' }).waitFor()
})

test.each([
  ['dark', 1440],
  ['light', 390],
] as const)('groups and filters are for everyone: %s, %d wide', async (colorScheme, width) => {
  await page.emulateMedia({ colorScheme })
  await page.setViewportSize({ width, height: 860 })
  for (const path of [
    `/profile?${OF}&timeline=threads&${POOL_ASKED}&excludeThread=(unknown)`,
    '/profile?cluster=prod-eu&namespace=shop&service=orders&timeline=threads',
    `/compare?${OF}&${POOL_ASKED}`,
  ]) {
    await open(path)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
    expect(await violations(page)).toEqual([])
  }
  await open(`/profile?${OF}&${POOL_ASKED}`)
  await page.locator('.filters > summary').click()
  await expect
    .poll(() => page.getByLabel('Thread group', { exact: true }).locator('option').count())
    .toBeGreaterThan(2)
  expect(await violations(page)).toEqual([])
})
