/** Speedscope itself, in a browser, reads what the backend exports for it (a golden file of backend/profile/formats). */
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, extname, join, normalize } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, openPage } from './browser'

const RELEASE = join(
  dirname(createRequire(import.meta.url).resolve('speedscope/package.json')),
  'dist',
  'release',
)
const EXPORT = new URL('../../backend/profile/formats/testdata/checkout.speedscope.json', import.meta.url)
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
}

let browser: Browser
let server: Server
let url: string

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    try {
      const body = await readFile(path === '/export.json' ? EXPORT : join(RELEASE, normalize(path)))
      response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream').end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await launch(['--use-angle=swiftshader', '--enable-unsafe-swiftshader']) // speedscope draws by WebGL
})
afterAll(async () => {
  await browser?.close()
  server?.close()
})

test('speedscope shows functions, self and total of the export, for values and for counts', async () => {
  const { page, errors } = await openPage(browser, {}, 'real')
  await page.goto(`${url}/index.html#profileURL=${encodeURIComponent(`${url}/export.json`)}`)
  await page.getByText('cpu (1/2)').waitFor()
  await page.getByText('Sandwich').click()
  /** The table as speedscope counts it: total, self and name of each function. */
  const rows = async () =>
    (await page.locator('table tr').allInnerTexts())
      .slice(1)
      .map(text => text.split(/\s*[\t\n]\s*/).filter(Boolean))
  await expect
    .poll(rows)
    .toEqual(
      expect.arrayContaining([
        ['1cpu1.00s'],
        ['2samples100'],
        ['1.00s (100%)', '0.00ns (<0.01%)', 'java.lang.Thread.run'],
        ['500.00ms (50%)', '500.00ms (50%)', 'memcpy'],
        ['500.00ms (50%)', '190.00ms (19%)', 'shop.Checkout.pay'],
        ['310.00ms (31%)', '310.00ms (31%)', 'shop.Price.round'],
        ['500.00ms (50%)', '0.00ns (<0.01%)', 'shop.Name.of("<&>", é)'],
      ]),
    )
  expect(errors).toEqual([])
})
