/** Every other screen, over real profiles: what it says is what the API answers. */
import { strict as assert } from 'node:assert'
import type { Browser, Page } from 'playwright-core'
import type {
  Changes,
  Diff,
  DiffSide,
  Flame,
  FleetTop,
  IngestHealth,
  Services,
  Targets,
} from '../../src/api/types'
import { meanRate } from '../../src/profile/services'
import { targetName } from '../../src/profile/targets'
import {
  formatCount,
  formatPercent,
  formatRate,
  formatShare,
  formatValue,
  TYPE_LABELS,
} from '../../src/profile/units'
import { sumWindows } from '../../src/screens/ingest/completeness'
import { ask, askNow, type Live, open, openProfile, SHOP, shows, withPage } from './visit'

export const screensAgree = (browser: Browser, live: Live) =>
  withPage(browser, async page => {
    await services(page, live)
    await functions(page, live)
    await ledger(page, live)
    await comparison(page, live)
    await changes(page, live)
    await targets(page, live)
    await ingest(page, live)
  })

async function services(page: Page, live: Live) {
  const answer = await ask<Services>(live, 'services', {})
  await open(page, live, '/')
  await page.locator('.row-link').first().waitFor()
  assert.equal(await page.locator('.row-link').count(), answer.services.length)
  const [shop] = answer.services
  const row = page.locator('.row-link', { has: page.getByRole('link', { name: 'shop', exact: true }) })
  for (const type of ['cpu', 'alloc'] as const) {
    const rate = meanRate(shop, type)
    assert.ok(rate, `${type} has a mean`)
    await row.getByText(formatRate(type, rate)).waitFor()
  }
  const { stored, expected } = shop.windows
  await row.getByText(`${formatCount(stored)} / ${formatCount(expected)}`).waitFor()
  await row.getByRole('link', { name: 'shop', exact: true }).click()
  await page.locator('.flame-host canvas').first().waitFor()
  assert.equal(new URL(page.url()).searchParams.get('service'), 'shop')
}

async function functions(page: Page, live: Live) {
  const answer = await ask<FleetTop>(live, 'fleet/top', { type: 'cpu', order: 'self', limit: '200' })
  await open(page, live, '/functions')
  const rows = page.locator('.functions-list tbody tr')
  await rows.first().waitFor()
  assert.equal(await rows.count(), answer.functions.length)
  for (const [i, { name, self, total }] of answer.functions.slice(0, 5).entries()) {
    assert.equal(await rows.nth(i).locator('th').getAttribute('title'), name)
    await rows.nth(i).getByText(formatValue(answer.unit, self.value), { exact: true }).waitFor()
    await rows.nth(i).getByText(formatShare(total.value, answer.total.value)).last().waitFor()
  }
}

/** The line above the graph: total, samples and windows, and every reason for what is missing. */
async function ledger(page: Page, live: Live) {
  const flame = await ask<Flame>(live, 'flame', { ...SHOP, type: 'cpu' })
  await openProfile(page, live, 'cpu')
  const { total, unit, countUnit, coverage } = flame
  const { windows, losses, notCaptured, notices } = coverage
  await shows(page, '.ledger-parts', `${formatValue(unit, total.value)} ${TYPE_LABELS.cpu.amount}`)
  await shows(page, '.ledger-parts', `${formatCount(total.count)} ${countUnit}`)
  await shows(
    page,
    '.ledger-parts',
    `${formatCount(windows.stored)} / ${formatCount(windows.expected)} windows`,
  )
  await page.locator('.ledger-line > summary').click()
  await page.locator('.summary').getByText(formatCount(coverage.captured.count)).first().waitFor()
  if (losses.length + notCaptured.length + notices.length === 0) return
  await page.getByText(/^Why: /).click()
  for (const { reason } of [...losses, ...notCaptured]) await shows(page, '.losses', reason)
}

/** The second half of the span compared to the first. */
async function comparison(page: Page, live: Live) {
  const middle = live.to - 30
  const base = { baseFrom: `${middle - 30}`, baseTo: `${middle}` }
  const span = { ...live, from: middle }
  const diff = await ask<Diff>(span, 'diff', { ...SHOP, type: 'cpu', ...base })
  await open(page, span, '/compare', { ...SHOP, ...base })
  await page.locator('.sides-fold > summary').click()
  await sideAgrees(page, 'A', diff, diff.base)
  await sideAgrees(page, 'B', diff, diff.head)
  const mean = diff.head.total.value / diff.head.coverage.recordedSeconds
  await shows(page, '.verdict', `B ${formatRate('cpu', mean)}`)
  await page.locator('.changes tbody tr').first().waitFor()
  await page.getByRole('button', { name: 'Side by side' }).click()
  for (const side of ['Side A', 'Side B']) {
    await page.getByRole('application', { name: new RegExp(`^${side}: `) }).waitFor()
  }
}

async function sideAgrees(page: Page, letter: string, diff: Diff, { total, coverage }: DiffSide) {
  const card = page.getByRole('region', { name: `Side ${letter}`, exact: true })
  await card.getByText(formatValue(diff.unit, total.value)).first().waitFor()
  await card.getByText(`of ${formatCount(coverage.captured.count)} ${diff.countUnit}`).waitFor()
}

/** A short run is not enough to tell a change from chance, and the screen says how much there is. */
async function changes(page: Page, live: Live) {
  const answer = await ask<Changes>(live, 'changes', { ...SHOP, type: 'cpu', limit: '500' })
  await open(page, live, '/changes', SHOP)
  const titles = answer.enough
    ? /No function takes another share|changes among/
    : /^Not enough data to tell a change from chance/
  await shows(page, 'main', titles)
  for (const side of [answer.base, answer.head]) {
    await shows(page, '.sides', `${formatCount(side.total.count)} ${answer.countUnit}`)
  }
}

async function targets(page: Page, live: Live) {
  const answer = await askNow<Targets>(live, 'targets')
  await page.goto(`${live.url}/targets`)
  const rows = page.locator('tbody.target')
  await rows.first().waitFor()
  assert.equal(await rows.count(), answer.targets.length)
  const [target] = answer.targets
  const { identity, state } = target
  const row = rows.filter({ has: page.getByRole('link', { name: targetName(target), exact: true }) })
  for (const text of [targetName(target), identity.jvmVersion, 'Shop', 'profiled', ...state.events]) {
    await row.getByText(text).first().waitFor()
  }
}

async function ingest(page: Page, live: Live) {
  const answer = await ask<Services>(live, 'services', {})
  const health = await askNow<IngestHealth>(live, 'ingest/health')
  await open(page, live, '/ingest')
  const { stored, expected } = sumWindows(answer.services)
  const verdict = `${formatPercent(stored, expected)} of ${formatCount(expected)} expected windows are stored`
  await shows(page, '.ingest-verdict', verdict)
  await shows(page, 'main', `${health.store.mode} ${health.store.version}`)
  await page.locator('.history svg').waitFor()
}
