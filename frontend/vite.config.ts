import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const backend = process.env.PODFLAME_BACKEND ?? 'http://127.0.0.1:8080'

/** What a first visit may load of scripts, gzipped, all screens together. */
const MAX_SCRIPT_BYTES = 200_000

/** Fails the build when the scripts have grown beyond what a first visit should wait for. */
function scriptBudget(): Plugin {
  return {
    name: 'script-budget',
    apply: 'build',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter(file => file.type === 'chunk')
      const bytes = chunks.reduce((sum, chunk) => sum + gzipSync(chunk.code).length, 0)
      if (bytes > MAX_SCRIPT_BYTES)
        this.error(`the scripts are ${bytes} bytes gzipped, at most ${MAX_SCRIPT_BYTES}: load less, or later`)
    },
  }
}

export default defineConfig({
  plugins: [react(), scriptBudget()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // a strict CSP allows no data: URL and no inline script
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '/api': backend } },
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['src/**/*.test.ts'], environment: 'node', testTimeout: 600_000 },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          environment: 'node',
          fileParallelism: false,
          testTimeout: 600_000,
          expect: { poll: { timeout: 60_000, interval: 50 } },
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
