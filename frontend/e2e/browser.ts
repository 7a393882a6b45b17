/** A headless Chromium of the system, with its clock where the fixtures have theirs. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { FIXTURE_NOW } from './fixture/server'

/** Long, for machines that do more than this test; what passes does not wait. */
export const TIMEOUT_MS = 60_000

/** How many times slower than this machine the pages run: to find what only a busy machine shows. */
const SLOWDOWN = Number(process.env.E2E_CPU_SLOWDOWN ?? 1)

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function launch(more: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...ARGS, ...more],
  })
}

/** A page that fails the test on any error it logs, a violated Content-Security-Policy among them. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
  now: number | 'real' = FIXTURE_NOW,
): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    timezoneId: 'UTC',
    locale: 'en-GB',
    colorScheme: 'dark',
    reducedMotion: 'reduce',
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(TIMEOUT_MS * SLOWDOWN)
  if (SLOWDOWN > 1) await slowDown(page, SLOWDOWN)
  if (now !== 'real') await page.clock.setFixedTime(now * 1000)
  const errors: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      errors.push(message.text())
  })
  return { page, errors }
}

async function slowDown(page: Page, rate: number) {
  const session = await page.context().newCDPSession(page)
  await session.send('Emulation.setCPUThrottlingRate', { rate })
}

/**
 * Returns once every answer that the page asked for is on screen: nothing moves any more under a pointer that is about
 * to press. An answer may lead to the next question, and React tells of it in a task of its own; then the graphs are
 * drawn in a frame.
 */
export async function settled(page: Page) {
  const deadline = Date.now() + TIMEOUT_MS * SLOWDOWN
  while (!(await page.evaluate(isQuiet))) {
    if (Date.now() > deadline) throw new Error(`${page.url()} still waits for an answer`)
  }
}

/** Whether the page awaits nothing, now and two frames later. */
async function isQuiet(): Promise<boolean> {
  const quiet = () =>
    document.querySelector('[data-asking="false"]') !== null &&
    document.querySelector('main') !== null &&
    document.querySelector('main .loading') === null
  const before = quiet()
  await new Promise(done => setTimeout(done))
  for (let frame = 0; frame < 2; frame++) await new Promise(done => requestAnimationFrame(done))
  return before && quiet()
}
