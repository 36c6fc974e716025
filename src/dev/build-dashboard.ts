import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Bundles the dashboard's page into `dist/dashboard/`. */
export async function buildDashboard(root: string, dist: string): Promise<void> {
  const source = join(root, 'src', 'dashboard', 'web', 'main.tsx');
  if (!existsSync(source)) return;
  await build({
    entryPoints: { app: source },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    outdir: join(dist, 'dashboard'),
    legalComments: 'none',
    logLevel: 'warning',
  });
}
