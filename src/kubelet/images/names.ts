/**
 * The fully qualified form of an image reference, as the distribution project defines it:
 * `nginx` is `docker.io/library/nginx:latest`, `ghcr.io/a/b` gets `:latest`, a digest stays.
 */
export function normalizeImageName(reference: string): string {
  const at = reference.indexOf('@');
  const digest = at < 0 ? '' : reference.slice(at);
  const named = at < 0 ? reference : reference.slice(0, at);
  const { repository, tag } = splitTag(named);
  const suffix = tag ? `:${tag}` : digest ? '' : ':latest';
  return `${qualify(repository)}${suffix}${digest}`;
}

/** Whether the text can be a reference at all; otherwise the container waits with reason InvalidImageName. */
export function isValidImageName(reference: string): boolean {
  return REFERENCE.test(reference) && !/^[a-f0-9]{64}$/.test(reference);
}

/** `Always` when the tag is missing or `latest`, unless the pod says otherwise (defaulting of the API, for those who skip it). */
export function defaultPullPolicy(reference: string): 'Always' | 'IfNotPresent' {
  return !reference.includes('@') && normalizeImageName(reference).endsWith(':latest') ? 'Always' : 'IfNotPresent';
}

const HOST = String.raw`(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?`;
const PATH_PART = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`;
const REFERENCE = new RegExp(
  `^(?:${HOST}/)?${PATH_PART}(?:/${PATH_PART})*(?::[\\w][\\w.-]{0,127})?(?:@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,})?$`,
);

function splitTag(named: string): { repository: string; tag: string } {
  const colon = named.lastIndexOf(':');
  return colon > named.lastIndexOf('/')
    ? { repository: named.slice(0, colon), tag: named.slice(colon + 1) }
    : { repository: named, tag: '' };
}

function qualify(repository: string): string {
  const slash = repository.indexOf('/');
  const host = slash < 0 ? '' : repository.slice(0, slash);
  const isHost = host !== '' && (/[.:]/.test(host) || host === 'localhost' || host !== host.toLowerCase());
  if (host === 'index.docker.io') return qualify(repository.slice(slash + 1));
  if (isHost)
    return host === 'docker.io' && !repository.slice(slash + 1).includes('/')
      ? `docker.io/library/${repository.slice(slash + 1)}`
      : repository;
  return slash < 0 ? `docker.io/library/${repository}` : `docker.io/${repository}`;
}
