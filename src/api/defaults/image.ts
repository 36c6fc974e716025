/** The image pull policy that an image's tag asks for: what may move is pulled always. */
export function pullPolicyOf(image: string | undefined): 'Always' | 'IfNotPresent' {
  if (!image) return 'Always';
  const [name, digest] = image.split('@');
  const tag = /:([^/:]+)$/.exec(name!)?.[1];
  return tag === 'latest' || (tag === undefined && digest === undefined) ? 'Always' : 'IfNotPresent';
}
