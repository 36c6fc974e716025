import { encodeList, encodeMessage, envelope, watchFrame } from '../../api/codec/protobuf.ts';
import { groupVersion } from '../../api/meta.ts';
import { schemaOf } from '../../api/scheme.ts';
import type { Status } from '../../api/types.gen.ts';
import type { ResourceInfo, Schema } from '../../api/schema/schema.ts';
import type { ListParts } from './json.ts';
import type { ObjectView } from '../watch/entry.ts';

/** Protobuf of answers. The message of each object is made once and then shared by objects, lists and watches. */

export function objectProtobuf(info: ResourceInfo, view: ObjectView): Buffer {
  return envelope(groupVersion(info), info.kind, messageOf(info, view));
}

export function listProtobuf(list: ListParts): Buffer {
  const { info, items } = list;
  return encodeList(
    groupVersion(info),
    `${info.kind}List`,
    metaOf(list),
    items.map((view) => messageOf(info, view)),
  );
}

export function metadataProtobuf(view: ObjectView, version: string): Buffer {
  return envelope(`meta.k8s.io/${version}`, 'PartialObjectMetadata', metadataMessage(view));
}

export function metadataListProtobuf(list: ListParts, version: string): Buffer {
  return encodeList(`meta.k8s.io/${version}`, 'PartialObjectMetadataList', metaOf(list), list.items.map(metadataMessage));
}

export function eventProtobuf(type: string, object: Uint8Array): Buffer {
  return watchFrame(type, object);
}

export function bookmarkProtobuf(info: ResourceInfo, revision: number, initialEnd: boolean): Buffer {
  const metadata = { resourceVersion: String(revision), ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}) };
  return envelope(groupVersion(info), info.kind, encodeMessage({ metadata }, info.schema));
}

export function statusProtobuf(status: Status): Buffer {
  const schema = schemaOf('', 'v1', 'Status');
  if (!schema) throw new Error('the fact table has no Status');
  return envelope('v1', 'Status', encodeMessage(status, schema));
}

function messageOf(info: ResourceInfo, view: ObjectView): Buffer {
  return view.form('protobuf', () => encodeMessage(view.object, info.schema));
}

function metadataMessage(view: ObjectView): Buffer {
  return view.form('protobuf metadata', () => encodeMessage({ metadata: view.object.metadata }, metadataSchema()));
}

function metadataSchema(): Schema {
  const schema = schemaOf('meta.k8s.io', 'v1', 'PartialObjectMetadata');
  if (!schema) throw new Error('the fact table has no PartialObjectMetadata');
  return schema;
}

function metaOf(list: ListParts): object {
  return {
    resourceVersion: String(list.revision),
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  };
}
