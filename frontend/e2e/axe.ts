/** What axe-core finds wrong on a page. */
import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const results = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<AxeResults> } }
    return axe.run()
  })
  return results.violations.flatMap(v =>
    v.nodes.map(n => `${v.id}: ${n.target.join(' ')} ${n.failureSummary ?? ''}`),
  )
}
