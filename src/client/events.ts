import type { ObjectReference } from '../api/types.gen.ts';
import type { ObjectWithMeta } from '../api/meta.ts';

export interface EventRecorder {
  /** Never throws and never blocks: the event is written in the background; the same event again raises its count. */
  event(about: ObjectWithMeta | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}
