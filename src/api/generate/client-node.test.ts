/** The table comes from Go's sources; what @kubernetes/client-node was generated from is upstream's published OpenAPI. They must agree. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Schema } from '../schema/schema.ts';
import { builtinResources, schemaOf } from '../scheme.ts';
import { modelOf } from './descriptions.ts';

const MODELS = fileURLToPath(new URL('../../../node_modules/@kubernetes/client-node/dist/gen/models', import.meta.url));
const models = new Set(
  readdirSync(MODELS)
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -'.d.ts'.length)),
);

/** Field to whether it is required, as the model declares it. Names that TypeScript or JavaScript reserves carry an underscore there. */
function declared(model: string): Map<string, boolean> {
  const source = readFileSync(join(MODELS, `${model}.d.ts`), 'utf8');
  const script = readFileSync(join(MODELS, `${model}.js`), 'utf8');
  const jsonNames = new Map([...script.matchAll(/"name": "([^"]+)",\s+"baseName": "([^"]+)"/g)].map(([, name, json]) => [name!, json!]));
  const body = source.slice(source.indexOf(`export declare class ${model} {`));
  return new Map(
    [...body.matchAll(/^ {4}'([^']+)'(\??):/gm)].map(([, name, optional]) => [jsonNames.get(name!) ?? name!, optional === '']),
  );
}

/** Every named object that the served kinds are made of. client-node keeps models of versions that are gone; those are not in it. */
function served(): Map<string, Schema> {
  const found = new Map<string, Schema>();
  const visit = (schema: Schema | undefined): void => {
    if (!schema || (schema.name && found.has(schema.name))) return;
    if (schema.name && schema.type === 'object') found.set(schema.name, schema);
    visit(schema.items);
    for (const field of Object.values(schema.fields ?? {})) visit(field.schema);
  };
  for (const { schema, group, version, kind, subresources } of builtinResources()) {
    visit(schema);
    visit(schemaOf(group, version, `${kind}List`));
    for (const subresource of subresources) visit(schemaOf(subresource.group, subresource.version, subresource.kind));
  }
  return found;
}

test('fields and which are required, of every type that both describe', () => {
  let compared = 0;
  for (const [name, schema] of served()) {
    const model = modelOf(name, models);
    if (!model) continue;
    const ours = new Map(Object.entries(schema.fields!).map(([field, { required = false }]) => [field, required]));
    assert.deepEqual(Object.fromEntries([...ours].toSorted()), Object.fromEntries([...declared(model)].toSorted()), `${name} and ${model}`);
    compared += 1;
  }
  assert.ok(compared > 600, `${compared} types compared`);
});
