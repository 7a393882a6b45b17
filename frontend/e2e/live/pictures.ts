/** Every screen in both themes, wide and narrow: no wider than the window, nothing covered, clean for axe, and kept as a picture. */
import { strict as assert } from 'node:assert'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { violations } from '../axe'
import { HOT, type Live, open, SHOP, withPage } from './visit'

const THEMES = ['dark', 'light'] as const
const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } }

function screens({ to }: Live): [string, string, Record<string, string>][] {
  const base = { baseFrom: `${to - 660}`, baseTo: `${to - 30}` }
  return [
    ['services', '/', {}],
    ['functions', '/functions', {}],
    ['service', '/profile', SHOP],
    ['card', '/profile', { ...SHOP, fn: HOT, color: 'package', timeline: 'heat' }],
    ['sandwich', '/profile', { ...SHOP, fn: HOT, view: 'sandwich' }],
    ['compare', '/compare', { ...SHOP, ...base }],
    ['changes', '/changes', SHOP],
    ['targets', '/targets', {}],
    ['ingest', '/ingest', {}],
  ]
}

export async function takePictures(browser: Browser, live: Live, directory: string) {
  for (const [i, [size, viewport]] of Object.entries(SIZES).entries()) {
    await withPage(
      browser,
      async page => {
        for (const [screen, path, params] of screens(live)) {
          await open(page, live, path, params)
          assert.deepEqual(await violations(page), [], `axe on ${screen}, ${size}`)
          await fits(page, screen)
          for (const colorScheme of THEMES) {
            await page.emulateMedia({ colorScheme })
            await page.screenshot({ path: join(directory, `${screen}-${colorScheme}-${size}.png`) })
          }
          await page.emulateMedia({ colorScheme: THEMES[i] })
        }
      },
      { viewport, colorScheme: THEMES[i] },
    )
  }
}

async function fits(page: Page, screen: string) {
  const [wanted, given] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
  assert.ok(wanted <= given, `${screen} is ${wanted} px wide in a window of ${given} px`)
  const covered = await page.locator('.panes > *, .flame-foot').evaluateAll(parts => {
    const boxes = parts.map(part => part.getBoundingClientRect())
    const meet = (a: DOMRect, b: DOMRect) =>
      Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
    return boxes.some((box, i) => boxes.slice(i + 1).some(other => meet(box, other)))
  })
  assert.ok(!covered, `parts of ${screen} cover each other`)
}
