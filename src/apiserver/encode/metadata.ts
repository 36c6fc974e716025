import type { ObjectView } from '../watch/entry.ts';

/** `PartialObjectMetadata` of an object: what metadata-only informers and the rows of a Table carry. */
export function metadataJson(view: ObjectView, version: string): string {
  return view.form(
    `metadata ${version}`,
    () => `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/${version}","metadata":${JSON.stringify(view.object.metadata)}}`,
  );
}
