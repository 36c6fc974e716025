/**
 * The document of version 2 as protobuf, `application/com.github.proto-openapi.spec.v2.v1.0+protobuf`: client-go reads it in no other
 * form. The messages are those of gnostic's public OpenAPIv2.proto; only the fields that our documents have are here.
 */
import { ReverseWriter } from '../codec/wire.ts';
import type { Node } from './nodes.ts';

/** Property to `<number> <form> [message]`. Forms: text, flag, texts, message, messages, named (an object's entries), any (YAML), or a maker of its own. */
type Message = Readonly<Record<string, string>>;

/** Under `x-` stands the number of the vendor extensions. */
const MESSAGES: Readonly<Record<string, Message>> = {
  Document: { swagger: '1 text', info: '2 message Info', paths: '8 message Paths', definitions: '9 message Properties' },
  Info: { title: '1 text', version: '2 text' },
  PathItem: {
    get: '2 message Operation',
    put: '3 message Operation',
    post: '4 message Operation',
    delete: '5 message Operation',
    patch: '8 message Operation',
    parameters: '9 parameters',
    'x-': '10',
  },
  Operation: {
    tags: '1 texts',
    description: '3 text',
    operationId: '5 text',
    produces: '6 texts',
    consumes: '7 texts',
    parameters: '8 parameters',
    responses: '9 responses',
    schemes: '10 texts',
    'x-': '13',
  },
  Body: { description: '1 text', name: '2 text', in: '3 text', required: '4 flag', schema: '5 message Schema' },
  Path: { required: '1 flag', in: '2 text', description: '3 text', name: '4 text', type: '5 text', uniqueItems: '19 flag' },
  Query: { required: '1 flag', in: '2 text', description: '3 text', name: '4 text', type: '6 text', uniqueItems: '20 flag' },
  Response: { description: '1 text', schema: '2 answer', 'x-': '5' },
  Schema: {
    $ref: '1 text',
    format: '2 text',
    title: '3 text',
    description: '4 text',
    default: '5 any',
    pattern: '13 text',
    required: '19 texts',
    enum: '20 anys',
    additionalProperties: '21 additional',
    type: '22 type',
    items: '23 items',
    allOf: '24 messages Schema',
    properties: '25 message Properties',
    'x-': '31',
  },
};

/** `document` is what `openapiV2` made. */
export function encodeOpenapiV2(document: Node): Buffer {
  const writer = new ReverseWriter(1 << 20);
  writeMessage(writer, document, 'Document');
  return writer.finish();
}

function writeMessage(writer: ReverseWriter, node: Node, name: string): void {
  if (name === 'Properties' || name === 'Paths')
    return writeNamed(writer, node, name === 'Paths' ? 2 : 1, name === 'Paths' ? 'PathItem' : 'Schema');
  const message = MESSAGES[name]!;
  if (message['x-']) writeExtensions(writer, node, Number(message['x-']));
  for (const [key, rule] of Object.entries(message).toReversed()) {
    const value = node[key];
    if (value === undefined || key === 'x-') continue;
    const [number, form, inner] = rule.split(' ') as [string, string, string | undefined];
    FORMS[form]!(writer, Number(number), value, inner ?? '');
  }
}

type Form = (writer: ReverseWriter, number: number, value: unknown, message: string) => void;

const FORMS: Readonly<Record<string, Form>> = {
  text: (writer, number, value) => writer.string(number, String(value)),
  flag: (writer, number, value) => {
    writer.varint(value ? 1 : 0);
    writer.tag(number, 0);
  },
  texts: (writer, number, value) => {
    for (const text of (value as readonly string[]).toReversed()) writer.string(number, text);
  },
  message: (writer, number, value, message) => within(writer, number, () => writeMessage(writer, value as Node, message)),
  messages: (writer, number, value, message) => {
    for (const node of (value as readonly Node[]).toReversed()) within(writer, number, () => writeMessage(writer, node, message));
  },
  any: (writer, number, value) => within(writer, number, () => writer.string(2, JSON.stringify(value))),
  anys: (writer, number, value) => {
    for (const item of (value as readonly unknown[]).toReversed()) within(writer, number, () => writer.string(2, JSON.stringify(item)));
  },
  type: (writer, number, value) => within(writer, number, () => writer.string(1, String(value))),
  items: (writer, number, value) => within(writer, number, () => within(writer, 1, () => writeMessage(writer, value as Node, 'Schema'))),
  additional: (writer, number, value) =>
    within(writer, number, () => within(writer, 1, () => writeMessage(writer, value as Node, 'Schema'))),
  answer: (writer, number, value) => within(writer, number, () => within(writer, 1, () => writeMessage(writer, value as Node, 'Schema'))),
  parameters: (writer, number, value) => {
    for (const parameter of (value as readonly Node[]).toReversed())
      within(writer, number, () => within(writer, 1, () => writeParameter(writer, parameter)));
  },
  responses: (writer, number, value) => within(writer, number, () => writeResponses(writer, value as Record<string, Node>)),
};

function within(writer: ReverseWriter, number: number, write: () => void): void {
  const mark = writer.length;
  write();
  writer.message(number, mark);
}

function writeParameter(writer: ReverseWriter, parameter: Node): void {
  const place = parameter['in'];
  if (place === 'body') within(writer, 1, () => writeMessage(writer, parameter, 'Body'));
  else
    within(writer, 2, () =>
      within(writer, place === 'path' ? 4 : 3, () => writeMessage(writer, parameter, place === 'path' ? 'Path' : 'Query')),
    );
}

function writeResponses(writer: ReverseWriter, responses: Record<string, Node>): void {
  for (const [code, response] of Object.entries(responses).toReversed()) {
    within(writer, 1, () => {
      within(writer, 2, () => within(writer, 1, () => writeMessage(writer, response, 'Response')));
      writer.string(1, code);
    });
  }
}

function writeNamed(writer: ReverseWriter, nodes: Node, number: number, message: string): void {
  for (const [name, node] of Object.entries(nodes).toReversed()) {
    within(writer, number, () => {
      within(writer, 2, () => writeMessage(writer, node as Node, message));
      writer.string(1, name);
    });
  }
}

function writeExtensions(writer: ReverseWriter, node: Node, number: number): void {
  for (const [name, value] of Object.entries(node).toReversed()) {
    if (!name.startsWith('x-')) continue;
    within(writer, number, () => {
      within(writer, 2, () => writer.string(2, JSON.stringify(value)));
      writer.string(1, name);
    });
  }
}
