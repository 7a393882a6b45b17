/** The login, and what becomes of a session that ends. */

import type { AxeResults } from 'axe-core'
import { source as axeSource } from 'axe-core'
import { expect, test } from 'vitest'
import { GOOD_TOKEN } from './fixture/session'
import { open, page, server, setStage } from './stage'

setStage()

const logIn = async (token: string) => {
  await page.getByLabel('Token', { exact: true }).fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
}

test('nobody sees anything before the login; then the page that was asked for', async () => {
  server.scenario = 'login'
  await open('/profile?namespace=shop&cluster=prod-eu&service=checkout&range=1h')
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.getByText('kubectl create token NAME -n NAMESPACE --audience podflame').waitFor()
  expect(server.requests.filter(r => r !== '/api/v1/session')).toEqual([])
  await logIn('a.kubeconfig.token')
  const problem = page.getByRole('alert').filter({ hasText: 'not for "podflame"' })
  await problem.waitFor()
  await logIn(GOOD_TOKEN)
  await page.getByRole('heading', { name: 'checkout' }).waitFor()
})

test('a session that ends shows the login, and why', async () => {
  await open('/?range=1h')
  await page.locator('.row-target').first().waitFor()
  server.scenario = 'login-expired'
  await page.getByRole('link', { name: 'Targets' }).click()
  await page.getByRole('alert').filter({ hasText: 'The token has expired' }).waitFor()
})

test('who is logged in, what he sees, and out again', async () => {
  await open('/?range=1h')
  await page.getByLabel('Logged in as system:serviceaccount:team-a:ann').click()
  await page.getByText('platform, shop').waitFor()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
})

test('who may see nothing is told so', async () => {
  server.scenario = 'sees-nothing'
  await open('/')
  await page.getByText('No namespace with profiles is open to you').waitFor()
})

test.each(['login', 'login-token', 'login-expired'] as const)('%s is accessible', async scenario => {
  server.scenario = scenario
  await open('/')
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.evaluate(axeSource)
  const found = await page.evaluate(() =>
    (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  )
  expect(found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target).join()}`)).toEqual([])
})
