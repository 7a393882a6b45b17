/** A headless Chromium of the system, with its clock where the fixtures have theirs. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { FIXTURE_NOW } from './fixture/server'

/** Long, for machines that do more than this test; what passes does not wait. */
export const TIMEOUT_MS = 30_000

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

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS })
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
  page.setDefaultTimeout(TIMEOUT_MS)
  if (now !== 'real') await page.clock.setFixedTime(now * 1000)
  const errors: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      errors.push(message.text())
  })
  return { page, errors }
}
