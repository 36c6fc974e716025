/**
 * Reads the declarations of a Go package that matter to the fact table: structs with their tags and comment markers, named types and
 * constants. It relies on gofmt's layout (one field a line, tabs), which every Kubernetes source has.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface GoField {
  /** Empty for an embedded type. */
  name: string;
  type: string;
  /** `json`, `protobuf`, `patchStrategy`, `patchMergeKey`. */
  tags: Readonly<Record<string, string>>;
  markers: readonly Marker[];
}

export interface Marker {
  name: string;
  value: string;
}

export interface GoType {
  name: string;
  package: GoPackage;
  markers: readonly Marker[];
  /** For structs. */
  fields?: readonly GoField[];
  /** What a named type stands for: `string`, `[]Toleration`, `map[string]string`. */
  underlying?: string;
}

export interface GoPackage {
  /** `k8s.io/api/core/v1` */
  path: string;
  types: Map<string, GoType>;
  /** String constants: name to its type (empty when untyped) and value, in the order of the source. */
  constants: Map<string, { type: string; value: string }>;
  /** Import name to path; all files of a package agree in the sources at hand. */
  imports: Map<string, string>;
}

const SKIPPED = /(_test|\.pb|swagger_doc_generated)\.go$|^zz_generated|protomessage/;

/** Reads every hand-written file of the package in `directory`. */
export function readPackage(directory: string, path: string): GoPackage {
  const result: GoPackage = { path, types: new Map(), constants: new Map(), imports: new Map() };
  for (const file of readdirSync(directory).toSorted()) {
    if (file.endsWith('.go') && !SKIPPED.test(file)) readSource(readFileSync(join(directory, file), 'utf8'), result);
  }
  return result;
}

function readSource(source: string, target: GoPackage): void {
  readImports(source, target.imports);
  const lines = source.split('\n');
  let comment: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const text = /^\s*\/\/ ?(.*)$/.exec(line);
    if (text) {
      comment.push(text[1]!);
      continue;
    }
    const type = /^type (\w+)( =)? (.+?)( \{)?$/.exec(line);
    if (type) at = readType(lines, at, type, markersOf(comment), target);
    else readConstant(line, target);
    // A blank line inside a type's comment block is common: markers may stand apart from the text.
    if (line.trim() !== '' || !/^\s*\/\//.test(lines[at + 1] ?? '')) comment = line.trim() === '' ? comment : [];
  }
}

function readImports(source: string, imports: Map<string, string>): void {
  const block = /^import \(([\s\S]*?)^\)/m.exec(source)?.[1] ?? '';
  for (const [, name, path] of block.matchAll(/^\s*(\w+)?\s*"([^"]+)"/gm))
    imports.set(name ?? path!.slice(path!.lastIndexOf('/') + 1), path!);
}

function readType(lines: readonly string[], start: number, match: RegExpExecArray, markers: readonly Marker[], target: GoPackage): number {
  const [, name, , kind, opens] = match;
  if (kind !== 'struct' && kind !== 'struct{}') {
    if (!kind!.startsWith('interface') && !kind!.startsWith('func'))
      target.types.set(name!, { name: name!, package: target, markers, underlying: kind! });
    return start;
  }
  const fields: GoField[] = [];
  let at = start;
  if (opens) {
    let comment: string[] = [];
    for (at = start + 1; lines[at] !== '}'; at++) {
      const text = /^\t\/\/ ?(.*)$/.exec(lines[at]!);
      if (text) comment.push(text[1]!);
      else {
        const field = readField(lines[at]!, markersOf(comment));
        if (field) fields.push(field);
        if (lines[at]!.trim() !== '') comment = [];
      }
    }
  }
  target.types.set(name!, { name: name!, package: target, markers, fields });
  return at;
}

function readField(line: string, markers: readonly Marker[]): GoField | undefined {
  const match = /^\t(?:(\w+)\s+)?([\w.*[\]{}]+)(?:\s+`([^`]*)`)?/.exec(line);
  if (!match) return undefined;
  const tags: Record<string, string> = {};
  for (const [, name, value] of (match[3] ?? '').matchAll(/(\w+):"([^"]*)"/g)) tags[name!] = value!;
  return { name: match[1] ?? '', type: match[2]!, tags, markers };
}

function readConstant(line: string, target: GoPackage): void {
  const match = /^(?:const |\t)(\w+)(?:\s+([\w.]+))?\s+= "([^"]*)"/.exec(line);
  if (match) target.constants.set(match[1]!, { type: match[2] ?? '', value: match[3]! });
}

function markersOf(comment: readonly string[]): Marker[] {
  const markers: Marker[] = [];
  for (const line of comment) {
    const match = /^\s*\+([\w.:-]+)(?:=(.*))?$/.exec(line.trim());
    if (match) markers.push({ name: match[1]!, value: match[2]?.trim() ?? '' });
  }
  return markers;
}

/** The value of the first marker of that name, undefined where there is none. */
export function marker(markers: readonly Marker[], name: string): string | undefined {
  return markers.find((candidate) => candidate.name === name)?.value;
}
