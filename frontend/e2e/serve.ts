/** The built UI on fixtures with the clock of the present, to look at. */
import { startFixture } from './fixture/server'

export async function main() {
  const server = await startFixture(Number(process.env.PORT ?? 5199), () => Math.floor(Date.now() / 1000))
  console.log(`UI on fixtures: ${server.url}`)
}
