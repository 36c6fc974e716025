/**
 * `npm run generate`: writes the fact table and the TypeScript types of the Kubernetes API. `--go-sources DIR` takes unpacked Go
 * sources (folders that hold k8s.io/…); without it they are fetched as Debian packages.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { factsModule } from './facts-module.ts';
import { fetchSources, findSources } from './sources.ts';
import { writeTypes } from './types.ts';

const API = join(dirname(fileURLToPath(import.meta.url)), '..');
const MODELS = join(API, '../../node_modules/@kubernetes/client-node/dist/gen/models');

const { values } = parseArgs({ options: { 'go-sources': { type: 'string', multiple: true } } });
writeTypes(MODELS, join(API, 'types.gen.ts'));
const given = values['go-sources']?.flatMap(findSources);
if (given) writeFacts(given);
else {
  const work = mkdtempSync(join(tmpdir(), 'rockpool-generate-'));
  try {
    writeFacts(await fetchSources(work, AbortSignal.timeout(300_000)));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function writeFacts(roots: readonly string[]): void {
  writeFileSync(join(API, 'schema/facts.gen.ts'), factsModule(roots));
}
