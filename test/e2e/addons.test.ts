/** Addons: switched on and off by name; the ingress answers by host and path, over TLS too, from the laptop; the dashboard asks who is there. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { findBrowser, startBrowser } from '../fixtures/browser.ts';
import { eventually } from '../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';

const [kubectl] = await kubectls();
const drivers: readonly ('sim' | 'docker')[] = (await hasEngine()) ? ['docker', 'sim'] : ['sim'];

const INGRESS = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web }
spec:
  ingressClassName: nginx
  rules:
    - host: web.example
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }
`;
const TLS = `
  tls:
    - { hosts: [web.example], secretName: web-tls }
`;

async function curl(...args: string[]): Promise<string> {
  return (await execa('curl', ['-sS', '--max-time', '5', ...args])).stdout;
}

describe('addons', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));

  for (const driver of drivers) {
    describe(`on ${driver}`, () => {
      let cluster: Cluster;
      let scratch = '';
      let http = '';
      let https = '';
      before(async () => {
        scratch = mkdtempSync(join(tmpdir(), 'rockpool-addons-'));
        cluster = await startCluster({ driver, profile: `addons-${driver}`, kubectl: kubectl!.path });
        if (driver === 'docker') for (const archive of await tutorialImages(['nginx'])) await cluster.rockpool(['image', 'load', archive]);
        await cluster.kubectl(['create', 'deployment', 'web', '--image=nginx']);
        await cluster.kubectl(['expose', 'deployment', 'web', '--port=80']);
        await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
      });
      after(async () => {
        await cluster?.delete();
        rmSync(scratch, { recursive: true, force: true });
      });

      it('lists what there is and what is on', async () => {
        const { stdout } = await cluster.rockpool(['addons', 'list']);
        assert.match(stdout, /dns.*enabled/i);
        assert.match(stdout, /storage-provisioner.*enabled/i);
        assert.match(stdout, /ingress.*disabled/i);
      });

      it('a claim gets a volume of the default class', async () => {
        const claim =
          'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: { name: data }\nspec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }\n';
        await cluster.kubectl(['apply', '-f', '-'], { input: claim });
        await cluster.kubectl(['wait', 'pvc/data', '--for=jsonpath={.status.phase}=Bound', '--timeout=20s']);
        await cluster.kubectl(['delete', 'pvc', 'data']);
        await eventually(async () => assert.equal((await cluster.kubectl(['get', 'pv', '-o', 'name'])).stdout, ''));
      });

      it('enable waits until the addons serve', async () => {
        await cluster.rockpool(['addons', 'enable', 'dashboard', 'ingress']);
        const service = await cluster.rockpool(['service', 'ingress-controller', '-n', 'rockpool-ingress', '--url']);
        [http, https] = service.stdout
          .trim()
          .split('\n')
          .map((url) => url.trim()) as [string, string];
        assert.match(http, /^http:/);
        assert.match(https ?? '', /^https:/);
      });

      it('the ingress answers by host within a second, and only for that host', async () => {
        await cluster.kubectl(['apply', '-f', '-'], { input: INGRESS });
        await eventually(async () => assert.match(await curl('-H', 'Host: web.example', http), /Welcome to nginx!/), {
          within: 1_000,
          every: 50,
        });
        assert.match(await curl('-H', 'Host: other.example', http), /404/);
        const { stdout } = await cluster.kubectl(['get', 'ingress', 'web']);
        assert.match(stdout, /web +nginx +web\.example +\S+ +80/);
      });

      it('over TLS with the certificate of the Secret', async () => {
        const [key, cert] = [join(scratch, 'tls.key'), join(scratch, 'tls.crt')];
        const subject = ['-subj', '/CN=web.example', '-addext', 'subjectAltName=DNS:web.example'];
        await execa('openssl', [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-nodes',
          '-days',
          '2',
          '-keyout',
          key,
          '-out',
          cert,
          ...subject,
        ]);
        await cluster.kubectl(['create', 'secret', 'tls', 'web-tls', `--cert=${cert}`, `--key=${key}`]);
        writeFileSync(join(scratch, 'ingress.yaml'), INGRESS.trimEnd() + TLS);
        await cluster.kubectl(['apply', '-f', join(scratch, 'ingress.yaml')]);
        const { hostname, port } = new URL(https);
        await eventually(
          async () =>
            assert.match(
              await curl('--cacert', cert, '--resolve', `web.example:${port || 443}:${hostname}`, `https://web.example:${port || 443}/`),
              /Welcome to nginx!/,
            ),
          { within: 1_000, every: 50 },
        );
      });

      it('the dashboard is a page that wants to know who is there', async () => {
        const url = (await cluster.rockpool(['service', 'dashboard', '-n', 'kube-system', '--url'])).stdout.trim();
        assert.match(await curl(url), /<title>/);
        assert.equal(await curl('-o', '/dev/null', '-w', '%{http_code}', `${url}/api/v1/pods`), '401');
        const { stdout: token } = await cluster.kubectl(['create', 'token', 'dashboard-admin', '-n', 'kube-system']);
        assert.match(await curl('-H', `Authorization: Bearer ${token}`, `${url}/api/v1/namespaces/default/pods`), /"web-/);
      });

      it('in a browser the page shows the Deployment, and its log lines as they come', async (t) => {
        const executable = findBrowser();
        if (!executable) return t.skip('this machine has no Chromium');
        const browser = await startBrowser(executable);
        try {
          const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
          page.setDefaultTimeout(10_000);
          // Chromium drops what it loads when a network interface comes or goes, as those of pods do: then it is loaded again.
          await eventually(async () => {
            await page.goto('about:blank');
            // Each try with a new code: it signs in once.
            await page.goto((await cluster.rockpool(['dashboard', '--url'])).stdout.trim());
            await page.getByRole('link', { name: 'Deployments' }).first().click({ timeout: 5_000 });
          });
          await page.getByRole('link', { name: 'web', exact: true }).click();
          await page.getByText('1/1').first().waitFor();
          await page.getByRole('link', { name: 'Logs', exact: true }).click();
          await page.getByText('Following').waitFor();
          await cluster.kubectl(['get', '--raw', '/api/v1/namespaces/default/services/web/proxy/shown-live'], { reject: false });
          await page.getByText('GET /shown-live').first().waitFor();
          if (process.env['ROCKPOOL_TEST_SCREENSHOTS'])
            await page.screenshot({ path: join(process.env['ROCKPOOL_TEST_SCREENSHOTS'], `dashboard-${driver}.png`) });
        } finally {
          await browser.close();
        }
      });

      it('they survive stop and start', async () => {
        await cluster.rockpool(['stop']);
        await cluster.rockpool(['start']);
        await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
        [http] = (await cluster.rockpool(['service', 'ingress-controller', '-n', 'rockpool-ingress', '--url'])).stdout
          .trim()
          .split('\n') as [string];
        // With TLS set for the host, plain HTTP is sent on to https.
        await eventually(async () =>
          assert.equal(await curl('-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: web.example', http), '308'),
        );
      });

      it('disable removes all of them', async () => {
        await cluster.rockpool(['addons', 'disable', 'dashboard', 'ingress']);
        const { stdout } = await cluster.kubectl([
          'get',
          'all,ingressclass,sa,clusterrole,clusterrolebinding,endpointslices',
          '-A',
          '-l',
          'rockpool.dev/addon in (dashboard,ingress)',
          '-o',
          'name',
        ]);
        assert.equal(stdout, '');
        assert.notEqual((await execa('curl', ['-sS', '--max-time', '2', http], { reject: false })).exitCode, 0, 'nothing listens any more');
      });
    });
  }
});
