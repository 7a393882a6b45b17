/** What each test of the screens stands on: a server with made-up answers, and an empty page of a browser. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { launch, openPage, settled } from './browser'
import { type FixtureServer, startFixture } from './fixture/server'

export let server: FixtureServer
export let browser: Browser
export let page: Page
export let errors: string[]

/** Has server, browser and page made for the tests of a file, and demands that none of them leaves an error in the page. */
export function setStage() {
  beforeAll(async () => {
    server = await startFixture()
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })
  beforeEach(async () => {
    server.scenario = 'normal'
    server.requests.length = 0
    const opened = await openPage(browser)
    page = opened.page
    errors = opened.errors
  })
  afterEach(async () => {
    await page.context().close()
    expect(errors).toEqual([])
  })
}

/** Opens a path of the UI, and returns once all that it asked for is on screen. */
export async function open(path: string) {
  await page.goto(server.url + path)
  await settled(page)
}

/** What the page was answered when it asked last for such a path. */
export function lastAnswer<T>(path: string): T {
  const asked = server.requests.filter(request => request.startsWith(path)).at(-1)
  if (!asked) throw new Error(`the page has not asked for ${path}`)
  return server.answer(asked)
}
