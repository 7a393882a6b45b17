/** Frames painted per second at 100,000 nodes in headless Chromium, with what it was measured on. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { build } from 'vite'
import type { Figures } from './bench/page'
import { launch } from './browser'

const NODES = 100_000
const SECONDS = 5
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
    print(await run(out))
  } finally {
    await rm(out, { recursive: true })
  }
}

async function run(folder: string): Promise<{ figures: Figures; browser: string }> {
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
    const figures = await page.evaluate(([nodes, seconds]) => window.bench(nodes, seconds), [
      NODES,
      SECONDS,
    ] as const)
    return { figures, browser: browser.version() }
  } finally {
    await browser.close()
    server.close()
  }
}

function print({ figures, browser }: { figures: Figures; browser: string }) {
  const { nodes, frames, seconds, medianMs, p95Ms, decodeMs, buildMs } = figures
  const cpu = cpus()
  const rate = (frames / seconds).toFixed(1)
  console.log(
    `machine   ${cpu.length} x ${cpu[0].model.trim()}, load ${loadavg()[0].toFixed(1)}, Chromium ${browser}, no GPU`,
  )
  console.log(`flame     ${nodes.toLocaleString('en-US')} nodes, ${SIZE.width} x ${SIZE.height}`)
  console.log(
    `paint     ${rate} frames/s  (${frames} frames, median ${medianMs.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms)`,
  )
  console.log(`prepare   decode ${decodeMs.toFixed(0)} ms, build tree ${buildMs.toFixed(0)} ms`)
}
