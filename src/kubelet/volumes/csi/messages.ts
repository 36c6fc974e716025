/** The messages of the Container Storage Interface that a node needs (csi.v1: https://github.com/container-storage-interface/spec). */
import { bool, int, list, map, message, string, sub } from '../../runtime/cri/wire.ts';

const Empty = message({});
export const VolumeCapability = message({
  block: sub(1, Empty),
  mount: sub(2, message({ fsType: string(1), mountFlags: list(string(2)), volumeMountGroup: string(3) })),
  accessMode: sub(3, message({ mode: int(1) })),
});
export const CapacityRange = message({ requiredBytes: int(1), limitBytes: int(2) });
const Topology = message({ segments: map(1) });

/** VolumeCapability.AccessMode.Mode */
export const ACCESS_MODE = {
  SINGLE_NODE_WRITER: 1,
  MULTI_NODE_READER_ONLY: 3,
  MULTI_NODE_MULTI_WRITER: 5,
  SINGLE_NODE_SINGLE_WRITER: 6,
  SINGLE_NODE_MULTI_WRITER: 7,
} as const;

/** NodeServiceCapability.RPC.Type */
export const NODE_CAPABILITY = {
  STAGE_UNSTAGE_VOLUME: 1,
  EXPAND_VOLUME: 3,
  SINGLE_NODE_MULTI_WRITER: 5,
  VOLUME_MOUNT_GROUP: 6,
} as const;

const NODE = '/csi.v1.Node/';

export const NODE_GET_INFO = {
  path: `${NODE}NodeGetInfo`,
  request: Empty,
  response: message({ nodeId: string(1), maxVolumesPerNode: int(2), accessibleTopology: sub(3, Topology) }),
};

export const NODE_GET_CAPABILITIES = {
  path: `${NODE}NodeGetCapabilities`,
  request: Empty,
  response: message({ capabilities: list(sub(1, message({ rpc: sub(1, message({ type: int(1) })) }))) }),
};

export const NODE_STAGE_VOLUME = {
  path: `${NODE}NodeStageVolume`,
  request: message({
    volumeId: string(1),
    publishContext: map(2),
    stagingTargetPath: string(3),
    volumeCapability: sub(4, VolumeCapability),
    secrets: map(5),
    volumeContext: map(6),
  }),
  response: Empty,
};

export const NODE_UNSTAGE_VOLUME = {
  path: `${NODE}NodeUnstageVolume`,
  request: message({ volumeId: string(1), stagingTargetPath: string(2) }),
  response: Empty,
};

export const NODE_PUBLISH_VOLUME = {
  path: `${NODE}NodePublishVolume`,
  request: message({
    volumeId: string(1),
    publishContext: map(2),
    stagingTargetPath: string(3),
    targetPath: string(4),
    volumeCapability: sub(5, VolumeCapability),
    readonly: bool(6),
    secrets: map(7),
    volumeContext: map(8),
  }),
  response: Empty,
};

export const NODE_UNPUBLISH_VOLUME = {
  path: `${NODE}NodeUnpublishVolume`,
  request: message({ volumeId: string(1), targetPath: string(2) }),
  response: Empty,
};

export const NODE_EXPAND_VOLUME = {
  path: `${NODE}NodeExpandVolume`,
  request: message({
    volumeId: string(1),
    volumePath: string(2),
    capacityRange: sub(3, CapacityRange),
    stagingTargetPath: string(4),
    volumeCapability: sub(5, VolumeCapability),
    secrets: map(6),
  }),
  response: message({ capacityBytes: int(1) }),
};
