/**
 * Builds dist/: `cli.mjs` (commands are split off and loaded when asked for), `node.mjs` (what runs as the node, one file), and
 * the two entry points that turn on V8's compile cache before they load them.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { buildDashboard } from './build-dashboard.ts';
import { buildDescriptions } from './build-descriptions.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const dist = join(root, 'dist');
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

// CommonJS dependencies inside an ES module still call require.
const REQUIRE = "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** The engine's client knows ssh:// addresses; the ssh library behind them is read only when one is used. */
const lazySsh: Plugin = {
  name: 'lazy-ssh',
  setup(builder) {
    builder.onResolve({ filter: /^ssh2$/ }, ({ importer }) =>
      importer.includes('docker-modem') ? { path: 'ssh2', namespace: 'lazy-ssh' } : { external: true },
    );
    builder.onLoad({ filter: /.*/, namespace: 'lazy-ssh' }, () => ({
      contents: `exports.Client = function (...args) { return new (require('ssh2').Client)(...args); };`,
      resolveDir: root,
    }));
  },
};

const BUILTIN = new RegExp(`^(?:node:.+|${builtinModules.join('|')})$`);

/**
 * Node's own modules are taken as objects instead of imported: an import reads every export once, and those of node:http hold a getter that loads
 * all of undici, which is 14 MiB and 30 ms of every start for nothing.
 */
const plainBuiltins: Plugin = {
  name: 'plain-builtins',
  setup(builder) {
    builder.onResolve({ filter: BUILTIN }, ({ path, kind }) =>
      kind === 'require-call' ? { path, external: true } : { path, namespace: 'builtin' },
    );
    builder.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

const shared: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  outdir: dist,
  outExtension: { '.js': '.mjs' },
  absWorkingDir: root,
  // Native code and optional extras stay outside; see cluster/image for how they reach the node image.
  external: ['lmdb', 'cpu-features', '*.node'],
  banner: { js: REQUIRE },
  define: { 'globalThis.ROCKPOOL_VERSION': JSON.stringify(version) },
  loader: { '.proto': 'text', '.html': 'text' },
  legalComments: 'none',
  // The source stays in memory for as long as the node runs. Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 200,
  plugins: [lazySsh, plainBuiltins],
  logLevel: 'warning',
};

function entry(target: string): string {
  return `import { enableCompileCache } from 'node:module';
enableCompileCache(process.env.ROCKPOOL_COMPILE_CACHE);
await import('./${target}');
`;
}

/** One character outside of ASCII (regular expressions keep theirs) makes V8 hold the whole text with two bytes for each. */
function escapeNonAscii(file: string): void {
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replaceAll(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

async function main(): Promise<void> {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  await Promise.all([
    build({ ...shared, entryPoints: { cli: 'src/cli/main.ts' }, splitting: true, chunkNames: 'chunks/[name]-[hash]' }),
    build({ ...shared, entryPoints: { 'node-main': 'src/node/main.ts' } }),
    buildDashboard(root, dist),
    buildDescriptions(root, dist),
  ]);
  escapeNonAscii(join(dist, 'node-main.mjs'));
  writeFileSync(join(dist, 'node.mjs'), entry('node-main.mjs'));
  // Written last: the launcher takes its age for that of the whole build.
  writeFileSync(join(dist, 'rockpool.mjs'), entry('cli.mjs'), { mode: 0o755 });
  if (!existsSync(join(dist, 'cli.mjs'))) throw new Error('dist/cli.mjs was not built');
}

await main();
