/** The dashboard's page in a real browser, before a real API server: signing in, what shows live, and what roles forbid. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { DEPLOYMENTS, EVENTS, PODS } from '../../src/client/resources.ts';
import { findBrowser, startBrowser } from '../fixtures/browser.ts';
import { type DashboardWorld, createPod, deployment, eventOf, startDashboardWorld } from '../fixtures/dashboard-world.ts';
import { eventually } from '../fixtures/eventually.ts';

const executable = findBrowser();
/** What is in the cluster shows within this. */
const LIVE = { timeout: 2_000 };

describe('the dashboard in a browser', { skip: executable ? false : 'this machine has no Chromium' }, () => {
  let world: DashboardWorld;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let errors: string[] = [];
  const tokens = { admin: '', viewer: '' };

  before(async () => {
    [world, browser] = await Promise.all([startDashboardWorld(), startBrowser(executable!)]);
    [tokens.admin, tokens.viewer] = [await world.tokenFor('cluster-admin'), await world.tokenFor('view')];
    await world.client.resource(DEPLOYMENTS, 'default').create(deployment('web'));
    await createPod(world.client, 'web-1', 'web');
  });
  after(async () => {
    await browser?.close();
    await world?.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    errors = [];
    page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
    page.on('console', (message) => message.text().includes('Content Security Policy') && errors.push(message.text()));
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });

  /** Chromium drops what it loads when an interface of the machine comes or goes, as those of containers do: then it is loaded again. */
  async function visit(hash: string, shows: string): Promise<void> {
    await eventually(async () => {
      await page.goto('about:blank');
      await page.goto(world.url + hash);
      await page.locator(shows).first().waitFor({ timeout: 3_000 });
    });
  }
  const signInAs = (token: string): Promise<void> => visit(`#token=${token}`, '.shell');
  const go = (hash: string): Promise<void> => page.evaluate(`void (location.hash = ${JSON.stringify(hash)})`);
  const row = (text: string): Locator => page.locator('tbody tr', { hasText: text });
  const heading = (name: string): Locator => page.getByRole('heading', { name, level: 1 });

  it('nothing shows before signing in; a token that is not accepted says so', async () => {
    await visit('', '.sign-in');
    assert.equal(await page.locator('.shell').count(), 0);
    await page.locator('#token').fill('no-such-token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('The cluster no longer accepts this token').waitFor();
    await page.locator('#token').fill(tokens.admin);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await heading('Your cluster').waitFor();
  });

  it('the token of the address is taken, erased from it, and gone after signing out', async () => {
    await signInAs(tokens.admin);
    assert.equal(page.url(), world.url);
    assert.deepEqual(await context.cookies(), []);
    await page.reload();
    await heading('Your cluster').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await heading('Sign in to your cluster').waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  it('the one-time code of the address signs in once', async () => {
    const deposit = await fetch(`${world.url}sign-in`, { method: 'POST', headers: { authorization: `Bearer ${tokens.admin}` } });
    const { code } = (await deposit.json()) as { code: string };
    await visit(`#code=${code}`, '.shell, .sign-in');
    await heading('Your cluster').waitFor();
    assert.equal(page.url(), world.url);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await visit(`#code=${code}`, '.sign-in');
    await page.getByText('has signed somebody in already').waitFor();
  });

  it('Deployments and events show, change and go as they do in the cluster', async () => {
    const deployments = world.client.resource(DEPLOYMENTS, 'default');
    await signInAs(tokens.admin);
    await go('#/deployments');
    await row('web').waitFor();
    const made = await deployments.create(deployment('shop'));
    await row('shop').waitFor(LIVE);
    await deployments.updateStatus({ ...made, status: { replicas: 2, readyReplicas: 2, availableReplicas: 2, updatedReplicas: 2 } });
    await row('shop').getByText('2/2').waitFor(LIVE);
    await deployments.delete('shop');
    await row('shop').waitFor({ state: 'detached', ...LIVE });

    await go('#/events?ns=default');
    const web = await deployments.get('web');
    await world.client
      .resource(EVENTS, 'default')
      .create(eventOf({ kind: 'Deployment', metadata: web.metadata }, 'Odd', 'something odd happened'));
    await row('something odd happened').getByText('Warning').waitFor(LIVE);
    await row('something odd happened').getByRole('link', { name: 'deployment/web' }).click();
    await heading('web').waitFor();
    await page.getByRole('link', { name: 'Events' }).first().click();
    await page.getByText('something odd happened').waitFor();
  });

  it('log lines show as they come, and the log is let go of when one goes elsewhere', async () => {
    await signInAs(tokens.admin);
    await go('#/deployments/default/web/logs');
    await page.getByRole('log').getByText('the first line').waitFor();
    world.kubelet.write('GET /é 200\n');
    await page.getByRole('log').getByText('GET /é 200').waitFor(LIVE);
    await go('#/deployments/default/web');
    await eventually(() => assert.equal(world.kubelet.followers.size, 0), { within: 2_000, every: 20 });
  });

  it('scales, restarts, edits and deletes', async () => {
    const deployments = world.client.resource(DEPLOYMENTS, 'default');
    await deployments.create(deployment('mine'));
    await signInAs(tokens.admin);
    await go('#/deployments/default/mine');
    await page.getByRole('button', { name: 'Scale' }).click();
    await page.getByRole('spinbutton', { name: 'Replicas' }).fill('5');
    await page.getByRole('dialog').getByRole('button', { name: 'Scale' }).click();
    await page.getByText('Scaled to 5').waitFor();
    assert.equal((await deployments.get('mine')).spec?.replicas, 5);

    await page.getByRole('button', { name: 'Restart' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    await page.getByText('Restarting').waitFor();
    assert.ok((await deployments.get('mine')).spec?.template.metadata?.annotations?.['kubectl.kubernetes.io/restartedAt']);

    await page.getByRole('link', { name: 'YAML' }).click();
    await page.getByRole('button', { name: 'Edit' }).click();
    const editor = page.getByRole('textbox', { name: 'The object as YAML' });
    const yaml = await editor.inputValue();
    assert.doesNotMatch(yaml, /managedFields/);
    await editor.fill(yaml.replace('replicas: 5', 'replicas: many'));
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('alert').waitFor();
    await editor.fill(yaml.replace('replicas: 5', 'replicas: 7'));
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('.notice', { hasText: 'Saved' }).waitFor();
    assert.equal((await deployments.get('mine')).spec?.replicas, 7);

    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await heading('Deployments').waitFor();
    await assert.rejects(deployments.get('mine'), /not found/);
  });

  it('a Secret’s values show when asked for', async () => {
    await signInAs(tokens.admin);
    await go('#/secrets/default/db');
    await page.getByText('7 bytes').waitFor();
    assert.equal(await page.getByText('hunter2').count(), 0);
    await page.getByRole('button', { name: 'Show the value of password' }).click();
    await page.getByText('hunter2').waitFor();
  });

  it('who may only view is offered nothing else, and the cluster would refuse it', async () => {
    await signInAs(tokens.viewer);
    await go('#/deployments/default/web');
    await row('web-1').waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await page.locator('.actions button').count(), 0);
    const status = await page.evaluate(async () => {
      const headers = { authorization: `Bearer ${sessionStorage.getItem('rockpool.token')}` };
      return (await fetch('/apis/apps/v1/namespaces/default/deployments/web', { method: 'DELETE', headers })).status;
    });
    assert.equal(status, 403);
    await go('#/secrets');
    await page
      .getByRole('alert')
      .getByText(/You may not see Secrets.*cannot list resource "secrets"/s)
      .waitFor();
  });

  it('a lost connection is said, and what happened meanwhile shows when it is back', async () => {
    await signInAs(tokens.admin);
    await go('#/pods');
    await row('web-1').waitFor();
    await world.stopDashboard();
    await page.getByText('What you see may be out of date').waitFor();
    assert.equal(await row('web-1').count(), 1);
    await createPod(world.client, 'meanwhile', 'web');
    await world.startDashboard();
    await row('meanwhile').waitFor();
    await page.getByText('What you see may be out of date').waitFor({ state: 'detached' });
    await world.client.resource(PODS, 'default').delete('meanwhile', { gracePeriodSeconds: 0 });
    await row('meanwhile').waitFor({ state: 'detached', ...LIVE });
  });

  it('a thousand pods are as quick as thirty: only the rows in view exist', async () => {
    await Promise.all(Array.from({ length: 1000 }, (_, index) => createPod(world.client, `load-${index}`, 'load')));
    await signInAs(tokens.admin);
    await go('#/pods?ns=default');
    await page.getByText('1001', { exact: true }).waitFor();
    assert.ok((await page.locator('tbody tr').count()) < 60);
    await page.locator('.table-box').evaluate((box) => void (box.scrollTop = box.scrollHeight));
    await row('web-1').waitFor();
    await page.getByRole('searchbox').fill('load-77');
    await page.getByText('11 of 1001').waitFor();
    await page.getByRole('searchbox').fill('app=web');
    await page.getByText('1 of 1001').waitFor();
  });
});
