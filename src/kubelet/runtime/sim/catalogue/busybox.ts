import type { ImageModel } from '../model.ts';
import { BUSYBOX_PROGRAMS, programTable, systemFiles, versionTags } from './base.ts';

const image: ImageModel = {
  hasTag: versionTags(['stable', 'unstable'], ['uclibc', 'glibc', 'musl']),
  sizeBytes: 2_167_176,
  memoryBytes: 700_000,
  cmd: ['sh'],
  files: () => systemFiles('NAME="BusyBox"\nPRETTY_NAME="BusyBox (modelled by rockpool)"\nID=busybox\n'),
  programs: programTable(BUSYBOX_PROGRAMS),
};

export default image;
