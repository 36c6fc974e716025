/**
 * Where the Go sources come from: Debian's -dev packages of the Kubernetes libraries, fetched from sid through a private apt state (the
 * machine's own apt is not changed) and taken apart. The mirror is the one that the machine's sources name.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGES = ['golang-k8s-api-dev', 'golang-k8s-apimachinery-dev', 'golang-k8s-apiextensions-apiserver-dev'];
const GOCODE = 'usr/share/gocode/src';

/** Directories that hold `k8s.io/...`: those below `directory` (unpacked packages side by side, or one tree), searched three levels deep. */
export function findSources(directory: string): string[] {
  const candidates = [directory, ...childrenOf(directory), ...childrenOf(directory).flatMap(childrenOf)];
  const roots = candidates.flatMap((path) => [path, join(path, GOCODE)]).filter((path) => existsSync(join(path, 'k8s.io')));
  return [...new Set(roots)];
}

function childrenOf(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(directory, entry.name));
}

/** Downloads and unpacks the packages into `workDirectory`; resolves to the directories that hold `k8s.io/...`. Needs apt and dpkg-deb. */
export async function fetchSources(workDirectory: string, signal: AbortSignal): Promise<string[]> {
  for (const name of ['lists/partial', 'cache/archives/partial', 'unpacked']) mkdirSync(join(workDirectory, name), { recursive: true });
  writeFileSync(join(workDirectory, 'status'), '');
  writeFileSync(join(workDirectory, 'sources.list'), `deb ${signedBy()}${debianMirror()} sid main\n`);
  const options = [
    `Dir::State::status=${join(workDirectory, 'status')}`,
    `Dir::State::lists=${join(workDirectory, 'lists')}`,
    `Dir::Cache=${join(workDirectory, 'cache')}`,
    `Dir::Etc::sourcelist=${join(workDirectory, 'sources.list')}`,
    'Dir::Etc::sourceparts=-',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, 'update'], { signal });
  await run('apt-get', [...options, 'download', ...PACKAGES], { cwd: workDirectory, signal });
  for (const file of readdirSync(workDirectory).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(workDirectory, file), join(workDirectory, 'unpacked')], { signal });
  }
  return findSources(join(workDirectory, 'unpacked'));
}

function debianMirror(): string {
  const files = ['/etc/apt/sources.list', ...sourceParts()];
  for (const file of files.filter((path) => existsSync(path))) {
    const text = readFileSync(file, 'utf8');
    const uri = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s*)?)(\S+\/debian\/?)(?:\s|$)/m.exec(text)?.[1];
    if (uri) return uri;
  }
  throw new Error('no Debian mirror in the apt sources of this machine; give the unpacked Go sources with --go-sources DIR');
}

function sourceParts(): string[] {
  const directory = '/etc/apt/sources.list.d';
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
}

function signedBy(): string {
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  return existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
}
