/** Pictures of every screen and state, dark and light, wide and narrow, into e2e/out. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launch, openPage, settled } from './browser'
import { type FixtureServer, startFixture } from './fixture/server'

const OUT = join(import.meta.dirname, 'out')
const profile = (service: string, more = '') =>
  `/profile?namespace=shop&cluster=prod-eu&service=${service}${more}`
const compare = (service: string, more = '') => profile(service, more).replace('/profile', '/compare')

interface Shot {
  name: string
  path: string
  scenario?: FixtureServer['scenario']
  act?: (page: Page) => Promise<void>
}

const SHOTS: Shot[] = [
  { name: 'services', path: '/?range=1h' },
  { name: 'services-past', path: '/?range=6h' },
  { name: 'functions', path: '/functions?range=1h' },
  { name: 'functions-none', path: '/functions', scenario: 'empty' },
  { name: 'profile', path: profile('checkout', '&range=1h'), act: page => hover(page, 0.3, 0.5) },
  {
    name: 'profile-search',
    path: profile('checkout', '&range=1h&q=regex'),
    act: page => hoverTimeline(page, 0.3),
  },
  { name: 'profile-alloc', path: profile('checkout', '&range=1h&type=alloc&view=flame') },
  { name: 'profile-cut', path: profile('orders', '&range=1h&type=alloc') },
  { name: 'functions-cut', path: '/functions?range=1h&type=alloc' },
  { name: 'compare-cut', path: compare('orders', '&range=1h&type=alloc&baseBefore=1d') },
  { name: 'profile-zoom', path: profile('checkout', '&range=1h'), act: page => click(page, 0.3, 0.42) },
  {
    name: 'profile-export',
    path: profile('checkout', '&range=1h&view=flame'),
    act: page => page.getByLabel('Export').click(),
  },
  {
    name: 'profile-card',
    path: profile('checkout', '&range=1h&fn=com.acme.pricing.DiscountRules.evaluate&color=package'),
  },
  { name: 'profile-first', path: profile('checkout', '&range=1h') },
  { name: 'profile-line', path: profile('checkout', '&range=1h&timeline=line&up=1&color=package') },
  { name: 'profile-threads', path: profile('checkout', '&range=1h&timeline=threads&thread=(other)') },
  { name: 'profile-heat', path: profile('checkout', '&range=1h&timeline=heat&grey=jdk') },
  {
    name: 'profile-steps',
    path: profile('checkout', '&range=1h&t=focus:com.acme.pricing.PriceEngine.price&fold=jdk'),
  },
  {
    name: 'profile-sandwich',
    path: profile('checkout', '&range=1h&view=sandwich&fn=java.util.regex.Matcher.find'),
  },
  { name: 'profile-huge', path: profile('search-index', '&nodes=100000') },
  { name: 'profile-pruned', path: profile('orders') },
  { name: 'compare', path: compare('checkout', '&range=15m&version=2.14.1&baseVersion=2.14.0') },
  { name: 'compare-choose', path: compare('checkout', '&range=1h') },
  { name: 'compare-omitted', path: compare('search-index', '&range=15m&baseBefore=1d&nodes=60000') },
  { name: 'compare-sides', path: compare('checkout', '&range=1h&baseBefore=1d&compare=sides') },
  {
    name: 'compare-loss',
    path: compare('checkout', '&from=1781533920&to=1781534280&baseFrom=1781530000&baseTo=1781532000'),
  },
  { name: 'changes', path: profile('checkout', '&range=1h').replace('/profile', '/changes') },
  { name: 'changes-few', path: profile('mailer').replace('/profile', '/changes') },
  { name: 'ingest', path: '/ingest?range=3h' },
  { name: 'ingest-down', path: '/ingest', scenario: 'store-down' },
  { name: 'targets', path: '/targets' },
  { name: 'why', path: profile('checkout', '&range=1h'), act: openWhy },
  {
    name: 'sampled',
    path: profile('search-index', '&range=1h'),
    act: async page => {
      await openWhy(page)
      await hoverTimeline(page, 0.26)
    },
  },
  { name: 'sampled-alloc', path: profile('search-index', '&range=1h&type=alloc') },
  { name: 'unvalued', path: profile('pricing', '&range=1h') },
  { name: 'notice', path: profile('checkout', '&range=1h&type=lock') },
  { name: 'bad-address', path: profile('checkout', '&from=9&to=1&type=heap') },
  { name: 'idle', path: profile('mailer') },
  { name: 'conflict', path: profile('payments') },
  { name: 'lost', path: profile('inventory') },
  { name: 'pending', path: profile('notifications') },
  { name: 'gone', path: profile('legacy-batch') },
  { name: 'too-expensive', path: profile('reports') },
  { name: 'contradicting', path: profile('broken-proxy') },
  { name: 'empty', path: '/', scenario: 'empty' },
  { name: 'store-down', path: profile('checkout'), scenario: 'store-down' },
  { name: 'login', path: '/', scenario: 'login' },
  { name: 'login-expired', path: '/', scenario: 'login-expired' },
  { name: 'login-token', path: '/', scenario: 'login-token' },
  { name: 'sees-nothing', path: '/', scenario: 'sees-nothing' },
  { name: 'account', path: '/?range=1h', act: page => page.getByLabel(/^Logged in/).click() },
  { name: 'palette', path: profile('checkout', '&range=1h'), act: openPalette },
  { name: 'help', path: profile('checkout', '&range=1h'), act: page => page.keyboard.press('?') },
  { name: 'file', path: profile('checkout', '&range=1h'), act: dropFile },
  {
    name: 'filters',
    path: profile('checkout', '&range=1h'),
    act: page => page.getByLabel(/^Filters/).click(),
  },
  { name: 'range', path: '/?range=1h', act: page => page.getByLabel(/^Time range/).click() },
  { name: 'health', path: '/?range=1h&sort=trouble', act: page => page.getByLabel(/^Health/).click() },
]

export async function main() {
  const only = process.argv.slice(3)
  await mkdir(OUT, { recursive: true })
  const server = await startFixture()
  const browser = await launch()
  const sizes = {
    phone: { width: 390, height: 844 },
    tablet: { width: 768, height: 1024 },
    wide: { width: 1440, height: 900 },
    huge: { width: 2200, height: 1200 },
  }
  for (const colorScheme of ['dark', 'light'] as const) {
    for (const [size, viewport] of Object.entries(sizes)) {
      const { page, errors } = await openPage(browser, { colorScheme, viewport })
      for (const shot of SHOTS.filter(
        s => only.length === 0 || only.some(o => `${s.name}-${colorScheme}-${size}`.includes(o)),
      )) {
        server.scenario = shot.scenario ?? 'normal'
        await page.goto(server.url + shot.path)
        await settled(page)
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

async function openWhy(page: Page) {
  await page.locator('.ledger-line > summary').click()
  await page.getByText(/^Why: /).click()
}

async function openPalette(page: Page) {
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Service, function or action' }).fill('match')
  await page.locator('[role="option"][aria-selected="true"]').waitFor()
}

async function dropFile(page: Page) {
  await page.evaluate(() => {
    const data = new DataTransfer()
    data.items.add(
      new File(['main;shop.Cart.add;java.util.HashMap.put 30\nmain;shop.Cart.sum 70\n'], 'cart.txt'),
    )
    for (const type of ['dragover', 'drop'])
      document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true }))
  })
  await page.getByRole('heading', { name: 'cart.txt' }).waitFor()
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
