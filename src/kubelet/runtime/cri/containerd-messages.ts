/** The calls of containerd's own API (containerd/api/services) that importing an image takes, with upstream's field numbers. */
import { bool, bytes, int, list, map, message, string, sub } from './wire.ts';

const Empty = message({});
const Descriptor = message({ mediaType: string(1), digest: string(2), size: int(3), annotations: map(5) });
const Image = message({ name: string(1), labels: map(2), target: sub(3, Descriptor) });
const service = <Q, S>(path: string, request: Q, response: S): { path: string; request: Q; response: S } => ({
  path: `/containerd.services.${path}`,
  request,
  response,
});

export const WRITE_ACTION = { stat: 0, write: 1, commit: 2 };

export const CONTAINERD = {
  createLease: service(
    'leases.v1.Leases/Create',
    message({ id: string(1), labels: map(3) }),
    message({ lease: sub(1, message({ id: string(1) })) }),
  ),
  deleteLease: service('leases.v1.Leases/Delete', message({ id: string(1), sync: bool(2) }), Empty),
  contentInfo: service(
    'content.v1.Content/Info',
    message({ digest: string(1) }),
    message({ info: sub(1, message({ digest: string(1), size: int(2) })) }),
  ),
  writeContent: service(
    'content.v1.Content/Write',
    message({ action: int(1), ref: string(2), total: int(3), expected: string(4), offset: int(5), data: bytes(6), labels: map(7) }),
    message({ action: int(1), offset: int(4), total: int(5), digest: string(6) }),
  ),
  createImage: service('images.v1.Images/Create', message({ image: sub(1, Image) }), message({ image: sub(1, Image) })),
  updateImage: service(
    'images.v1.Images/Update',
    message({ image: sub(1, Image), updateMask: sub(2, message({ paths: list(string(1)) })) }),
    message({ image: sub(1, Image) }),
  ),
};
