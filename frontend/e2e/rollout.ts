/** Pictures of a backend that holds two versions of the shop: node e2e/run.mjs e2e/rollout.ts URL DIRECTORY BEFORE VERSION. */
import { join } from 'node:path'
import { launch, settled } from './browser'
import { SHOP, settledSpan, withPage } from './live/visit'

export async function main() {
  const [url, directory, before, version] = process.argv.slice(3)
  const { to } = await settledSpan(url)
  const range = { from: `${to - 900}`, to: `${to}` }
  const pictures: [string, string, Record<string, string>][] = [
    ['service', '/profile', { ...SHOP, ...range, timeline: 'line' }],
    ['compare', '/compare', { ...SHOP, ...range, version, baseVersion: before }],
    ['services', '/', range],
  ]
  const browser = await launch()
  try {
    await withPage(browser, async page => {
      for (const [name, path, params] of pictures) {
        await page.goto(`${url}${path}?${new URLSearchParams(params)}`)
        await settled(page)
        await page.screenshot({ path: join(directory, `rollout-${name}.png`) })
      }
    })
  } finally {
    await browser.close()
  }
  console.log(`pictures of the rollout are in ${directory}`)
}
