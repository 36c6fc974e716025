import { bindPod } from './binding.ts';
import { evictPod } from './eviction.ts';
import { get } from './get.ts';
import { approval, ephemeralContainers, finalize, resize } from './parts.ts';
import { patch } from './patch.ts';
import type { VerbHandler } from './registry.ts';
import { getScale, patchScale, updateScale } from './scale.ts';
import { update } from './update.ts';

/** What a subresource does, by its name. Streams, logs and TokenRequest are handlers of their own (handlers.ts). */
export const SUBRESOURCES: Readonly<Record<string, Readonly<Record<string, VerbHandler>>>> = {
  status: { get, update, patch },
  scale: { get: getScale, update: updateScale, patch: patchScale },
  binding: { create: bindPod },
  eviction: { create: evictPod },
  ephemeralcontainers: ephemeralContainers,
  resize,
  finalize,
  approval,
};
