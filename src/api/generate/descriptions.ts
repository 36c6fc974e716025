/**
 * Collects the sentences of the API's documentation from @kubernetes/client-node for `kubectl explain`. Called by the
 * build; the result goes into dist/ and is not committed.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { definitionNames } from '../schema/table.ts';

/** Prefixes that client-node gives to models whose names would collide: `CoreV1Event`. */
const PREFIXED =
  /^(Core|Discovery|Events|Rbac|Flowcontrol|Resource|Storage|Authentication|Apiextensions|Apiregistration|Admissionregistration)V/;

/** Writes gzipped JSON: definition name to `{ '': type's text, field: text }`. `modelsDir` is client-node's `dist/gen/models`. */
export function writeDescriptions(modelsDir: string, targetFile: string): void {
  const models = new Set(
    readdirSync(modelsDir)
      .filter((file) => file.endsWith('.d.ts'))
      .map((file) => file.slice(0, -'.d.ts'.length)),
  );
  const result: Record<string, Record<string, string>> = {};
  for (const name of definitionNames()) {
    const model = modelOf(name, models);
    if (!model) continue;
    const texts = textsOf(readFileSync(join(modelsDir, `${model}.d.ts`), 'utf8'), model);
    if (Object.keys(texts).length > 0) result[name] = texts;
  }
  writeFileSync(targetFile, gzipSync(JSON.stringify(result)));
}

/** `io.k8s.api.events.v1.Event` is `EventsV1Event` if there is one, else `V1Event`. */
export function modelOf(definition: string, models: ReadonlySet<string>): string | undefined {
  const [group, version, type] = definition.split('.').slice(-3) as [string, string, string];
  const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  const candidates = [`${capital(group)}${capital(version)}${type}`, `${capital(version)}${type}`];
  return candidates.find((candidate, index) => models.has(candidate) && (index === 1 || PREFIXED.test(candidate)));
}

function textsOf(source: string, model: string): Record<string, string> {
  const start = source.indexOf(`export declare class ${model} {`);
  const texts: Record<string, string> = {};
  const own = /\/\*\*\n((?:\* .*\n)+)\*\/\s*$/.exec(source.slice(0, start))?.[1];
  if (own) texts[''] = clean(own);
  for (const [, text, field] of source.slice(start).matchAll(/ {4}\/\*\*\n((?: {4}\*(?!\/).*\n)+) {4}\*\/\n {4}'([^']+)'\??:/g)) {
    // Reserved words have an underscore in the model only.
    texts[field === '_default' ? 'default' : field!.replace(/^\$?_/, '')] = clean(text!);
  }
  return texts;
}

function clean(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim()
    .replaceAll(/\\(["'])/g, '$1');
}
