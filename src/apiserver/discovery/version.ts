import type { Handler } from '../contract.ts';

export interface VersionInfo {
  /** `v1.36.0` */
  gitVersion: string;
  gitCommit?: string;
  buildDate?: string;
  /** `linux/amd64` */
  platform: string;
}

/** `/version`. What the fields of Go programs say of the toolchain says here what it runs on. */
export function versionHandler({ gitVersion, gitCommit = '', buildDate = '1970-01-01T00:00:00Z', platform }: VersionInfo): Handler {
  const [major, minor] = gitVersion.replace(/^v/, '').split('.');
  const body = {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion,
    gitCommit,
    gitTreeState: 'clean',
    buildDate,
    goVersion: `node${process.version.slice(1)}`,
    compiler: 'v8',
    platform,
  };
  const bytes = Buffer.from(JSON.stringify(body, undefined, 2));
  return {
    name: 'version',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && (info.path === '/version' || info.path === '/version/'),
    handle: async () => ({ status: 200, bytes, contentType: 'application/json' }),
  };
}

/** Kubernetes's name of the platform that this process runs on. */
export function platformName(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return `${process.platform === 'win32' ? 'windows' : process.platform}/${architecture}`;
}
