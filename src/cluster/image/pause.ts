import { imageArchive } from './archive.ts';
import { directory, file, tarOf } from './tar-writer.ts';
import type { DebianArch } from './packages.ts';

/** The sandbox image of every pod; containerd's configuration in the node names it. */
export const PAUSE_IMAGE = 'rockpool.dev/pause:1';

/** images/pause/pause.ARCH.S assembled: `as -o pause.o pause.ARCH.S && objcopy -O binary -j .text pause.o pause.bin`. */
const CODE: Readonly<Record<DebianArch, { machine: number; hex: string }>> = {
  amd64: {
    machine: 62,
    hex:
      'b80d000000bf11000000488d354700000031d241ba080000000f05b80e00000031ff488d354f00000031d241ba080000000f05b880000000488d3d3900000031' +
      'f631d241ba080000000f0585c07ee4b8e700000031ff0f0501000000000000000000000000000000000000000000000000000000000000000240000000000000',
  },
  arm64: {
    machine: 183,
    hex:
      'c81080d2200280d2c1020010020080d2030180d2010000d4e81080d2000080d201030010020080d2030180d2010000d4281180d260020010010080d2020080d2' +
      '030180d2010000d41f0000712dffff54c80b80d2000080d2010000d41f2003d501000000000000000000000000000000000000000000000000000000000000000240000000000000',
  },
};

export function pauseArchive(arch: DebianArch): Buffer {
  const layer = tarOf([
    directory('dev'),
    directory('etc'),
    directory('proc'),
    directory('sys'),
    directory('tmp', 0o1777),
    file('pause', pauseProgram(arch), 0o755),
  ]);
  return imageArchive({ names: [PAUSE_IMAGE], arch, config: { entrypoint: ['/pause'], user: '65535:65535' } }, layer);
}

/** A static ELF program of one segment (elf(5)): file header, program header, code. */
export function pauseProgram(arch: DebianArch): Buffer {
  const { machine, hex } = CODE[arch];
  const code = Buffer.from(hex, 'hex');
  const headers = 64 + 56;
  const base = 0x40_0000;
  const elf = Buffer.alloc(headers + code.length);
  elf.write('\x7fELF\x02\x01\x01', 'latin1');
  elf.writeUInt16LE(2, 16); // an executable
  elf.writeUInt16LE(machine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(BigInt(base + headers), 24); // where it begins
  elf.writeBigUInt64LE(64n, 32); // program headers
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt16LE(64, 58);
  elf.writeUInt32LE(1, 64); // load
  elf.writeUInt32LE(5, 68); // read and execute
  elf.writeBigUInt64LE(0n, 72);
  elf.writeBigUInt64LE(BigInt(base), 80);
  elf.writeBigUInt64LE(BigInt(base), 88);
  elf.writeBigUInt64LE(BigInt(elf.length), 96);
  elf.writeBigUInt64LE(BigInt(elf.length), 104);
  elf.writeBigUInt64LE(0x1_0000n, 112);
  code.copy(elf, headers);
  return elf;
}
