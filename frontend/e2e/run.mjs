// Runs a TypeScript file of this folder: node e2e/run.mjs e2e/bench.ts
import { resolve } from 'node:path'
import { runnerImport } from 'vite'

const file = process.argv[2]
const { module } = await runnerImport(resolve(file), { configFile: false, logLevel: 'warn' })
await module.main()
