import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Copied as they are. */
const STATIC = ['index.html', 'icon.svg'] as const;

/** Bundles the dashboard's page into `dist/dashboard/`: everything that it loads, since browsers may have no other network. */
export async function buildDashboard(root: string, dist: string): Promise<void> {
  const web = join(root, 'src', 'dashboard', 'web');
  if (!existsSync(web)) return;
  const outdir = join(dist, 'dashboard');
  await build({
    entryPoints: [join(web, 'main.tsx'), join(web, 'app.css')].map((path) => ({ in: path, out: 'app' })),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    inject: [join(web, 'node-globals.ts')],
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    outdir,
    legalComments: 'none',
    logLevel: 'warning',
  });
  for (const name of STATIC) copyFileSync(join(web, name), join(outdir, name));
}
