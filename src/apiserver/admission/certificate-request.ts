/** The little of a PKCS #10 request (RFC 2986) that admission looks at: the organisations of its subject. DER is read by hand, a few tags deep. */

const SEQUENCE = 0x30;
/** 2.5.4.10, organizationName. */
const ORGANIZATION = '55040a';

/** undefined when the text is no certificate request; what else is wrong with it is validation's business. */
export function requestedOrganizations(pem: string): string[] | undefined {
  const match = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([\s\S]+?)-----END/.exec(pem);
  if (!match) return undefined;
  const request = children({ tag: SEQUENCE, content: Buffer.from(match[1]!, 'base64') })[0];
  const info = request && children(request)[0];
  const subject = info && children(info)[1];
  if (subject?.tag !== SEQUENCE) return undefined;
  return children(subject)
    .flatMap((set) => children(set))
    .map((pair) => children(pair))
    .filter(([type]) => type?.content.toString('hex') === ORGANIZATION)
    .map(([, value]) => value?.content.toString() ?? '');
}

interface Element {
  tag: number;
  content: Buffer;
}

/** The elements that a constructed one holds; stops at what is cut off. */
function children({ content }: Element): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at + 2 <= content.length) {
    const tag = content[at]!;
    const { length, size } = lengthAt(content, at + 1);
    const start = at + 1 + size;
    if (start + length > content.length) break;
    elements.push({ tag, content: content.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

function lengthAt(bytes: Buffer, at: number): { length: number; size: number } {
  const first = bytes[at]!;
  if (first < 0x80) return { length: first, size: 1 };
  const count = first & 0x7f;
  let length = 0;
  for (let i = 1; i <= count; i++) length = length * 256 + (bytes[at + i] ?? 0);
  return { length, size: 1 + count };
}
