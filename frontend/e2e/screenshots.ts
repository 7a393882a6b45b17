/** Pictures of every screen and state, dark and light, wide and narrow, into e2e/out. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launch, openPage } from './browser'
import { type FixtureServer, startFixture } from './fixture/server'

const OUT = join(import.meta.dirname, 'out')
const profile = (service: string, more = '') =>
  `/profile?namespace=shop&cluster=prod-eu&service=${service}${more}`

interface Shot {
  name: string
  path: string
  scenario?: FixtureServer['scenario']
  act?: (page: Page) => Promise<void>
}

const SHOTS: Shot[] = [
  { name: 'services', path: '/?range=1h' },
  { name: 'profile', path: profile('checkout', '&range=1h'), act: page => hover(page, 0.3, 0.5) },
  {
    name: 'profile-search',
    path: profile('checkout', '&range=1h&q=regex'),
    act: page => hoverTimeline(page, 0.3),
  },
  { name: 'profile-alloc', path: profile('checkout', '&range=1h&type=alloc&view=flame') },
  { name: 'profile-zoom', path: profile('checkout', '&range=1h'), act: page => click(page, 0.3, 0.52) },
  { name: 'profile-huge', path: profile('search-index', '&nodes=100000') },
  { name: 'profile-pruned', path: profile('orders') },
  { name: 'targets', path: '/targets' },
  { name: 'idle', path: profile('mailer') },
  { name: 'conflict', path: profile('payments') },
  { name: 'lost', path: profile('inventory') },
  { name: 'pending', path: profile('notifications') },
  { name: 'gone', path: profile('legacy-batch') },
  { name: 'too-expensive', path: profile('reports') },
  { name: 'contradicting', path: profile('broken-proxy') },
  { name: 'empty', path: '/', scenario: 'empty' },
  { name: 'store-down', path: profile('checkout'), scenario: 'store-down' },
  { name: 'health', path: '/?range=1h&sort=trouble', act: page => page.getByLabel(/^Health/).click() },
]

export async function main() {
  const only = process.argv.slice(3)
  await mkdir(OUT, { recursive: true })
  const server = await startFixture()
  const browser = await launch()
  const sizes = { wide: { width: 1440, height: 900 }, narrow: { width: 420, height: 860 } }
  for (const colorScheme of ['dark', 'light'] as const) {
    for (const [size, viewport] of Object.entries(sizes)) {
      const { page, errors } = await openPage(browser, { colorScheme, viewport })
      for (const shot of SHOTS.filter(
        s => only.length === 0 || only.some(o => `${s.name}-${colorScheme}-${size}`.includes(o)),
      )) {
        server.scenario = shot.scenario ?? 'normal'
        await page.goto(server.url + shot.path)
        await page.locator('main h1, main h2').first().waitFor()
        await page.waitForLoadState('networkidle')
        await shot.act?.(page)
        await page.screenshot({ path: join(OUT, `${shot.name}-${colorScheme}-${size}.png`) })
      }
      if (errors.length > 0) console.log(`${colorScheme} ${size}: ${errors.join('\n')}`)
      await page.context().close()
    }
  }
  await browser.close()
  await server.close()
}

async function pointIn(page: Page, selector: string, x: number, y: number) {
  const element = page.locator(selector)
  await element.scrollIntoViewIfNeeded()
  const box = await element.boundingBox()
  if (!box) throw new Error(`${selector} has no box`)
  return { x: box.x + box.width * x, y: box.y + box.height * y }
}

async function hover(page: Page, x: number, y: number) {
  const point = await pointIn(page, '.flame-host', x, y)
  await page.mouse.move(point.x, point.y)
}

async function hoverTimeline(page: Page, x: number) {
  const point = await pointIn(page, '.timeline-plot', x, 0.5)
  await page.mouse.move(point.x, point.y)
}

async function click(page: Page, x: number, y: number) {
  const point = await pointIn(page, '.flame-host', x, y)
  await page.mouse.click(point.x, point.y)
  await page.mouse.move(1, 1)
}
