import { RockpoolError } from '../lib/errors.ts';

/**
 * Every failure that a person can meet, with its exit code and what to do. Codes come in families of ten by where the fault lies:
 * 10 the program's use, 20 resources of the machine, 30 the machine, 40 the internet, 50 the driver, 60 the container engine,
 * 70 the local network, 80 the node, 90 the container runtime, 100 the control plane, 110 services; inside a family the last digit says the
 * sort: 0 error, 1 conflict, 2 timeout, 3 not running, 4 usage, 5 not found, 6 unsupported, 7 permission, 8 configuration, 9 unavailable.
 */
const REASONS = {
  INTERNAL: { exitCode: 1, advice: ['This is a fault of Rockpool. Please report it with the output of `rockpool logs --problems`.'] },
  INTERRUPTED: { exitCode: 130, advice: [] },
  USAGE: { exitCode: 14, advice: ['`rockpool --help` lists commands and flags.'] },
  PROFILE_LOCKED: { exitCode: 11, advice: ['Wait until the other command has ended, or end it with Ctrl-C.'] },
  PROFILE_NOT_FOUND: { exitCode: 15, advice: ['`rockpool profile list` shows the profiles there are.', '`rockpool start` makes one.'] },
  PROFILE_CORRUPT: { exitCode: 18, advice: ['Correct the field in the file, or remove the profile with `rockpool delete --purge`.'] },
  PROFILE_NAME: {
    exitCode: 14,
    advice: ['Use lower-case letters, digits and `-`; begin and end with a letter or digit; 2 to 40 characters.'],
  },
  PROFILE_CONFLICT: { exitCode: 11, advice: ['Use another profile with `-p NAME`, or `rockpool delete` this one first.'] },
  KUBECONFIG_BROKEN: {
    exitCode: 18,
    advice: ['Correct or move the file away; it was left untouched.', 'Or point KUBECONFIG at another file.'],
  },
  KUBECONFIG_WRITE: { exitCode: 27, advice: ['See that the file and its folder are writable, or point KUBECONFIG at another file.'] },
  CONFIG_FILE: { exitCode: 18, advice: ['Correct the field in the file and start again; the cluster was left as it was.'] },
  KUBERNETES_VERSION: { exitCode: 106, advice: ['Leave `--kubernetes-version` out: this release of Rockpool serves one version.'] },
  DISK_FULL: {
    exitCode: 26,
    advice: [
      'Free some space: `docker system df` shows what the engine keeps, `docker system prune` removes what is unused.',
      'Then run the command again; nothing was lost.',
    ],
  },
  MEMORY: { exitCode: 23, advice: ['Ask for less with `--memory`, or give the engine more.'] },
  HOST_PERMISSION: { exitCode: 37, advice: ['See that the folder is yours and writable, or set ROCKPOOL_HOME to another one.'] },
  HOST_NODE_VERSION: { exitCode: 36, advice: ['Run Rockpool with Node.js 22.18 or newer.'] },
  HOST_TOOL_MISSING: { exitCode: 35, advice: [] },
  INTERNET_PACKAGES: {
    exitCode: 40,
    advice: [
      'See that the machine reaches its Debian mirror (`apt-get update`) or the engine can pull images.',
      'Behind a proxy, set http_proxy and https_proxy.',
      '`rockpool start --driver sim` needs no download.',
    ],
  },
  INTERNET_NPM: {
    exitCode: 40,
    advice: ['See that npm reaches its registry (`npm ping`).', '`rockpool start --driver sim` needs no download.'],
  },
  DRIVER_UNKNOWN: { exitCode: 54, advice: ['Drivers are `docker` and `sim`.'] },
  DRIVER_UNSUPPORTED: { exitCode: 56, advice: [] },
  DRIVER_CONFLICT: { exitCode: 51, advice: ['`rockpool delete` first, or use another profile with `-p NAME`.'] },
  DRIVER_UNAVAILABLE: { exitCode: 59, advice: ['`rockpool start --driver sim` runs without an engine.'] },
  ENGINE_NOT_RUNNING: {
    exitCode: 63,
    advice: [
      'Start Docker (Docker Desktop, colima, or `sudo systemctl start docker`) and try again.',
      'Or run without an engine: `rockpool start --driver sim`.',
    ],
  },
  ENGINE_PERMISSION: {
    exitCode: 67,
    advice: [
      'Add yourself to the `docker` group (`sudo usermod -aG docker $USER`, then log in again).',
      'Or run without an engine: `rockpool start --driver sim`.',
    ],
  },
  ENGINE_ERROR: { exitCode: 60, advice: ['`docker info` and the log of the engine tell more.'] },
  ENGINE_CONFLICT: {
    exitCode: 61,
    advice: [
      "A container, network or volume of that name exists and is not Rockpool's. Rename or remove it, or use another profile with `-p NAME`.",
    ],
  },
  IMAGE_NOT_FOUND: {
    exitCode: 65,
    advice: ['`docker images` lists what the engine has.', 'An archive made by `docker save` works too: `rockpool image load FILE.tar`.'],
  },
  IMAGE_BUILD: { exitCode: 60, advice: ['Run the command again; packages already fetched are kept.'] },
  PORT_IN_USE: {
    exitCode: 71,
    advice: [
      'End the program that listens there (`ss -ltnp`), or choose another port with `--api-port`.',
      '`--api-port 0` takes any free one; the kubeconfig follows.',
    ],
  },
  NETWORK_FULL: { exitCode: 71, advice: ['Remove container networks that are not used: `docker network prune`.'] },
  NODE_START: { exitCode: 80, advice: ["The end of the node's log stands above, all of it where the line before says."] },
  NODE_TIMEOUT: {
    exitCode: 82,
    advice: ["The node's log was kept; the line above says where.", 'On a slow machine allow more time: `--wait-timeout 5m`.'],
  },
  NODE_NOT_RUNNING: { exitCode: 83, advice: ['`rockpool start` starts it.'] },
  NODE_EXEC: { exitCode: 80, advice: [] },
  RUNTIME_IMAGE: { exitCode: 90, advice: ['See that the archive was made by `docker save` or is an OCI layout.'] },
  APISERVER_ERROR: { exitCode: 100, advice: ['`rockpool logs --problems` may tell more.'] },
  APISERVER_UNREACHABLE: { exitCode: 103, advice: ['`rockpool status` tells what runs, `rockpool logs` why not.'] },
  APISERVER_TIMEOUT: {
    exitCode: 102,
    advice: ['`rockpool logs --problems` shows what went wrong.', 'On a slow machine allow more time: `--wait-timeout 5m`.'],
  },
  ADDON_UNKNOWN: { exitCode: 15, advice: ['`rockpool addons list` shows the addons there are.'] },
  ADDON_BROKEN: { exitCode: 18, advice: ['Reinstall Rockpool: a file of the addon is missing or damaged.'] },
  ADDON_TIMEOUT: { exitCode: 112, advice: ['`rockpool kubectl -- get pods -A` shows what it waits for.'] },
  SERVICE_NOT_FOUND: { exitCode: 115, advice: ['`rockpool service list` shows the services there are.'] },
  SERVICE_NO_PORT: { exitCode: 114, advice: ['Give it a NodePort: `kubectl expose deployment NAME --port=80 --type=NodePort`.'] },
  SERVICE_UNREACHABLE: { exitCode: 119, advice: ['`kubectl get endpointslices` shows whether a pod stands behind it.'] },
} as const satisfies Record<string, { exitCode: number; advice: readonly string[] }>;

export type ReasonCode = keyof typeof REASONS;

/** A typed failure from the table. `advice` comes before the table's own. */
export function failure(code: ReasonCode, message: string, options: { cause?: unknown; advice?: readonly string[] } = {}): RockpoolError {
  const { exitCode, advice } = REASONS[code];
  return new RockpoolError(code, message, { exitCode, advice: [...(options.advice ?? []), ...advice], cause: options.cause });
}

export function isReason(error: unknown, code: ReasonCode): error is RockpoolError {
  return error instanceof RockpoolError && error.code === code;
}

export function reasonCodes(): ReasonCode[] {
  return Object.keys(REASONS) as ReasonCode[];
}
