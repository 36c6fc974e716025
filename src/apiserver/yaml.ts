/** Bodies in YAML. The parser is loaded only when somebody sends one. */
import type { Duplicates } from '../api/decode.ts';
import { statusError } from '../api/status.ts';

export const isYaml = (contentType: string): boolean =>
  contentType === 'application/yaml' || contentType === 'application/apply-patch+yaml';

/** As sigs.k8s.io/yaml reads it: the last of several equal keys counts. JSON, which apply patches mostly are, is YAML too. Throws StatusError 400. */
export async function parseYaml(buffer: Buffer): Promise<unknown> {
  const text = buffer.toString();
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  const { parse } = await import('yaml');
  try {
    return parse(text, { maxAliasCount: 100, uniqueKeys: false, logLevel: 'error' }) as unknown;
  } catch (error) {
    throw statusError('BadRequest', `error converting YAML to JSON: ${(error as Error).message}`, undefined, error);
  }
}

/** The keys that a valid text has twice in one map, in the words of Go's parser. */
export async function yamlDuplicates(buffer: Buffer): Promise<Duplicates> {
  const { isMap, isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(buffer.toString(), { lineCounter: lines, uniqueKeys: false });
  const warnings: string[] = [];
  visit(document, (_, node) => {
    if (!isMap(node)) return;
    const seen = new Set<string>();
    for (const { key } of node.items) {
      if (!isScalar(key)) continue;
      const name = String(key.value);
      if (seen.has(name)) warnings.push(`line ${lines.linePos(key.range?.[0] ?? 0).line}: key ${JSON.stringify(name)} already set in map`);
      seen.add(name);
    }
  });
  return { warnings, strict: warnings.length === 0 ? [] : [`yaml: unmarshal errors:\n${warnings.map((line) => `  ${line}`).join('\n')}`] };
}
