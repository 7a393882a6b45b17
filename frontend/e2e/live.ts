/**
 * The UI against a real backend that profiles the demo shop: node e2e/run.mjs e2e/live.ts URL DIRECTORY [VISIT…]. It does
 * what a user would on every screen, compares what is shown with the API's own answers, and keeps screenshots in the
 * directory. Any difference, and any error on the page, ends it with a failure.
 */
import { launch } from './browser'
import { absencesAreTold } from './live/absences'
import { omittedIsShown } from './live/inside'
import { byKeyboard, byTouch } from './live/people'
import { takePictures } from './live/pictures'
import { profileAgrees } from './live/profile'
import { screensAgree } from './live/screens'
import { threadsAgree } from './live/threads'
import { settledSpan } from './live/visit'

export async function main() {
  const [url, shots, ...only] = process.argv.slice(3)
  const live = await settledSpan(url)
  const browser = await launch()
  const took: string[] = []
  const visit = async (what: string, go: () => Promise<void>) => {
    if (only.length > 0 && !only.includes(what)) return
    const start = Date.now()
    await go()
    took.push(`${what} ${((Date.now() - start) / 1000).toFixed(1)} s`)
  }
  try {
    await visit('every screen', () => screensAgree(browser, live))
    await visit('the profile', () => profileAgrees(browser, live))
    await visit('thread groups', () => threadsAgree(browser, live))
    await visit('omitted frames', () => omittedIsShown(browser, live))
    await visit('nothing to show', () => absencesAreTold(browser, live))
    await visit('by keyboard', () => byKeyboard(browser, live))
    await visit('by touch', () => byTouch(browser, live))
    await visit('pictures', () => takePictures(browser, live, shots))
  } finally {
    await browser.close()
  }
  console.log(`live UI: all agrees with the API. ${took.join(', ')}`)
}
