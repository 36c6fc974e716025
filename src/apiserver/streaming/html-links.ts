/**
 * Links of a page that is seen through a proxy: what points at the root of the target's host must point below the proxy's path. The page keeps
 * its bytes but for that. Upstream's proxy transport does the same to `text/html`; links that scripts or styles make are nobody's to find.
 */

/** The attributes that hold links, by element; upstream's table. */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'formaction', 'usemap'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};

/** Elements whose text is not markup. */
const RAW_TEXT = new Set(['iframe', 'noembed', 'noframes', 'noscript', 'plaintext', 'script', 'style', 'textarea', 'title', 'xmp']);

/** `rewrite` gets a link as it is written (`&amp;` and all) and gives what stands there instead. Linear in the length of the page. */
export function rewriteLinks(html: string, rewrite: (link: string) => string): string {
  const parts: string[] = [];
  let kept = 0;
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', at)) {
    if (html.startsWith('<!--', at)) {
      at = after(html, '-->', at + 4);
      continue;
    }
    const tag = readTag(html, at);
    at = tag.end;
    for (const { start, end } of tag.links) {
      const link = html.slice(start, end);
      const replaced = rewrite(link);
      if (replaced === link) continue;
      parts.push(html.slice(kept, start), replaced);
      kept = end;
    }
    if (RAW_TEXT.has(tag.name)) at = endOfRawText(html, tag.name, at);
  }
  return parts.join('') + html.slice(kept);
}

function after(html: string, text: string, from: number): number {
  const found = html.indexOf(text, from);
  return found < 0 ? html.length : found + text.length;
}

function endOfRawText(html: string, name: string, from: number): number {
  for (let at = html.indexOf('</', from); at >= 0; at = html.indexOf('</', at + 2)) {
    if (html.slice(at + 2, at + 2 + name.length).toLowerCase() === name) return at;
  }
  return html.length;
}

interface Tag {
  name: string;
  /** Behind it. */
  end: number;
  links: { start: number; end: number }[];
}

const NAME = /[a-z][^\s/>]*/iy;
/** One attribute: its name, and its value in quotes or without. Each alternative begins differently, so there is nothing to try again. */
const ATTRIBUTE = /[\s/]*([^\s=>/"'][^\s=>/]*|["'])(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>][^\s>]*)?))?/dy;

/** What begins with `<` and is no tag ends behind it. */
function readTag(html: string, at: number): Tag {
  NAME.lastIndex = at + 1;
  const name = NAME.exec(html)?.[0].toLowerCase() ?? '';
  const tag: Tag = { name, end: at + 1, links: [] };
  if (name === '') return tag;
  const wanted = Object.hasOwn(LINKS, name) ? LINKS[name]! : [];
  tag.end = at + 1 + name.length;
  while (tag.end < html.length && html[tag.end] !== '>') {
    ATTRIBUTE.lastIndex = tag.end;
    const attribute = ATTRIBUTE.exec(html);
    if (!attribute || attribute[0].length === 0) return { ...tag, end: after(html, '>', tag.end) };
    const value = attribute.indices![2] ?? attribute.indices![3] ?? attribute.indices![4];
    if (value && wanted.includes(attribute[1]!.toLowerCase())) tag.links.push({ start: value[0], end: value[1] });
    tag.end = ATTRIBUTE.lastIndex;
  }
  tag.end++;
  return tag;
}
