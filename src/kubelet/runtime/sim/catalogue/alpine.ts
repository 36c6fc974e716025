import type { ImageModel } from '../model.ts';
import { ALPINE_RELEASE, BUSYBOX_PROGRAMS, CURL, DNS_PROGRAMS, programTable, systemFiles, versionTags } from './base.ts';

const image: ImageModel = {
  hasTag: versionTags(['edge', '3', '20[0-9]{6}'], []),
  sizeBytes: 3_649_330,
  memoryBytes: 800_000,
  cmd: ['/bin/sh'],
  files: () => systemFiles(ALPINE_RELEASE),
  programs: programTable(BUSYBOX_PROGRAMS, CURL, DNS_PROGRAMS),
};

export default image;
