/** What the flame graph takes for its frames in headless Chromium, at 100,000 nodes and at the API's limit, with what it was measured on. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { build } from 'vite'
import { MAX_NODES } from '../src/url'
import type { Figures, Times } from './bench/page'
import { launch } from './browser'

const NODES = [100_000, MAX_NODES]
const SECONDS = 3
const SIZE = { width: 1600, height: 900 }

export async function main() {
  const out = await mkdtemp(join(tmpdir(), 'podflame-bench-'))
  try {
    await build({
      configFile: false,
      root: join(import.meta.dirname, 'bench'),
      logLevel: 'warn',
      build: { outDir: out, emptyOutDir: true, target: 'es2022' },
    })
    await run(out)
  } finally {
    await rm(out, { recursive: true })
  }
}

async function run(folder: string) {
  const server = createServer(async (request, response) => {
    const path = request.url === '/' ? '/index.html' : (request.url ?? '')
    const type = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }[extname(path)]
    const content = await readFile(join(folder, path)).catch(() => undefined)
    response.writeHead(content ? 200 : 404, { 'Content-Type': type ?? 'text/plain' }).end(content)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const browser = await launch()
  try {
    const page = await browser.newPage({ viewport: SIZE })
    page.setDefaultTimeout(120_000)
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction(() => typeof window.bench === 'function')
    const cpu = cpus()
    console.log(
      `machine   ${cpu.length} x ${cpu[0].model.trim()}, load ${loadavg()[0].toFixed(1)}, Chromium ${browser.version()}, no GPU`,
    )
    for (const nodes of NODES) {
      print(await page.evaluate(([n, seconds]) => window.bench(n, seconds), [nodes, SECONDS] as const))
    }
  } finally {
    await browser.close()
    server.close()
  }
}

function print(figures: Figures) {
  const { nodes, answerBytes, first, ...frames } = figures
  const answer = `${(answerBytes / 1e6).toFixed(1)} MB of JSON`
  console.log(`flame     ${nodes.toLocaleString('en-US')} nodes, ${SIZE.width} x ${SIZE.height}, ${answer}`)
  printTimes('answer to paint', first)
  for (const [what, times] of Object.entries(frames)) printTimes(what, times)
}

function printTimes(what: string, { frames, bestMs, medianMs, p95Ms, worstMs }: Times) {
  const [best, median, p95, worst] = [bestMs, medianMs, p95Ms, worstMs].map(ms => ms.toFixed(1))
  console.log(
    `  ${what.padEnd(16)} best ${best}, median ${median}, p95 ${p95}, worst ${worst} ms (${frames} frames)`,
  )
}
