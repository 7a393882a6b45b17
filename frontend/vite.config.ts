import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const backend = process.env.PODFLAME_BACKEND ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // a strict CSP allows no data: URL and no inline script
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '/api': backend } },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'], environment: 'node' } },
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
