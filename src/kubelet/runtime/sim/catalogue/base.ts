/** What images have in common: the sets of programs and the files of their systems. */
import type { Program, ProgramTable } from '../model.ts';
import type { SimProcess } from '../process.ts';
import { BASICS } from '../programs/basics.ts';
import { FOLDERS } from '../programs/folders.ts';
import { CURL_PROGRAM, WGET } from '../programs/http.ts';
import { DNS_TOOLS, NETWORK } from '../programs/network.ts';
import { SYSTEM } from '../programs/system.ts';
import { tar } from '../programs/tar.ts';
import { TEXT } from '../programs/text.ts';
import { sh } from '../shell/sh.ts';

type Programs = readonly (readonly [string, Program])[];

const COMMON: Programs = [...BASICS, ...FOLDERS, ...SYSTEM, ...TEXT, ['sh', sh], ['tar', tar]];

/** `busybox wget …` is `wget …`. */
const busybox: Program = async (process: SimProcess) => {
  const child = process.argv.length > 1 ? process.spawn(process.argv.slice(1)) : undefined;
  if (child) return child.ended;
  await process.stderr.write(
    process.argv.length > 1 ? `${process.argv[1]}: applet not found\n` : 'BusyBox (modelled by rockpool) multi-call binary.\n',
  );
  return process.argv.length > 1 ? 127 : 0;
};

/** busybox's applets, as busybox and Alpine images have them. */
export const BUSYBOX_PROGRAMS: Programs = [...COMMON, ...NETWORK, WGET, ['ash', sh], ['busybox', busybox]];

/** What a slim Debian image has: no network tools but getent. */
export const DEBIAN_PROGRAMS: Programs = [...COMMON, ...DNS_TOOLS.filter(([name]) => name === 'getent'), ['bash', sh], ['dash', sh]];

export const CURL: Programs = [CURL_PROGRAM];
export const DNS_PROGRAMS: Programs = DNS_TOOLS;

/** Later programs replace earlier ones of the same name. */
export function programTable(...sets: readonly Programs[]): ProgramTable {
  return new Map(sets.flat());
}

export function systemFiles(osRelease: string, users: readonly string[] = []): Record<string, string> {
  const passwd = ['root:x:0:0:root:/root:/bin/sh', 'nobody:x:65534:65534:nobody:/home:/bin/false', ...users];
  return {
    '/etc/passwd': passwd.map((line) => `${line}\n`).join(''),
    '/etc/group': passwd.map((line) => `${line.split(':')[0]}:x:${line.split(':')[3]}:\n`).join(''),
    '/etc/os-release': osRelease,
    '/etc/resolv.conf': '',
    '/etc/hostname': '',
  };
}

export const ALPINE_RELEASE =
  'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22 (modelled by rockpool)"\n';
export const DEBIAN_RELEASE =
  'PRETTY_NAME="Debian GNU/Linux 13 (trixie), modelled by rockpool"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n';

/** `latest`, versions such as 1, 1.2 or 1.2.3, each with one of the variants. */
export function versionTags(words: readonly string[], variants: readonly string[]): (tag: string) => boolean {
  const variant = variants.length > 0 ? `(?:${variants.join('|')})` : '(?!)';
  const pattern = new RegExp(
    `^(?:latest|(?:v?\\d+(?:\\.\\d+){0,3}|${words.join('|') || '(?!)'})(?:-${variant})*|${variant}(?:-${variant})*)$`,
  );
  return (tag) => pattern.test(tag);
}
