#!/usr/bin/env node
// The `rockpool` command. Plain JavaScript that every Node since 12 can read: it finds a Node new enough for the rest,
// builds dist/ first when this is a source checkout whose bundles are missing or old, and hands over.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED = [22, 18];
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const bundle = join(root, 'dist', 'rockpool.mjs');

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** The Node binary that came with the package's dependencies, if it did. */
function bundledNode() {
  const require = createRequire(import.meta.url);
  for (const name of [`node-${process.platform}-${process.arch}`, 'node']) {
    try {
      const binary = join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'node');
      if (existsSync(binary)) return binary;
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}

function newestSource(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestSource(path));
    else if (!entry.name.endsWith('.test.ts')) newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

function needsBuild() {
  if (!existsSync(join(root, 'src', 'dev', 'build.ts'))) return false;
  return !existsSync(bundle) || statSync(bundle).mtimeMs < newestSource(join(root, 'src'));
}

const node = isNewEnough(process.versions.node) ? process.execPath : bundledNode();
if (!node) {
  console.error(`rockpool needs Node.js ${NEEDED.join('.')} or newer; this is ${process.versions.node}.`);
  console.error('Install a newer Node.js (https://nodejs.org) or run `npm install` without --omit=optional, then try again.');
  process.exit(18);
}

if (needsBuild()) {
  const built = spawnSync(node, [join(root, 'src', 'dev', 'build.ts')], { stdio: ['ignore', 2, 2] });
  if (built.status !== 0) process.exit(built.status || 1);
}

if (node === process.execPath) {
  await import(pathToFileURL(bundle).href);
} else {
  const child = spawn(node, [bundle, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the child by itself; a signal sent to this process alone must be passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`rockpool could not run ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal) process.removeAllListeners(signal);
    if (signal) process.kill(process.pid, signal);
    else process.exit(code);
  });
}
