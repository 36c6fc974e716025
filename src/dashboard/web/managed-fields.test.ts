import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutManagedFields } from './managed-fields.ts';

const AFTER = 'metadata:\n  name: a\n  uid: b\nspec:\n  replicas: 1\n';

for (const { name, yaml } of [
  {
    name: 'items indented',
    yaml: 'metadata:\n  name: a\n  managedFields:\n    - manager: x\n      fieldsV1:\n        f:spec: {}\n  uid: b\nspec:\n  replicas: 1\n',
  },
  {
    name: 'items not indented',
    yaml: 'metadata:\n  name: a\n  managedFields:\n  - manager: x\n    fieldsV1:\n      f:spec: {}\n  uid: b\nspec:\n  replicas: 1\n',
  },
  { name: 'an empty list', yaml: 'metadata:\n  name: a\n  managedFields: []\n  uid: b\nspec:\n  replicas: 1\n' },
  { name: 'the last of the metadata', yaml: 'metadata:\n  name: a\n  uid: b\n  managedFields:\n  - manager: x\nspec:\n  replicas: 1\n' },
  { name: 'none', yaml: AFTER },
]) {
  test(`managed fields are left out: ${name}`, () => assert.equal(withoutManagedFields(yaml), AFTER));
}
