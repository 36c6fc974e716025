import assert from 'node:assert/strict';
import { VersionApi } from '@kubernetes/client-node';
import { conformance } from '../harness.ts';

conformance('api-machinery', 'server version', {}, (behaviour) => {
  behaviour('should find the server version', async (world) => {
    const { major, minor, gitVersion } = await world.api(VersionApi).getCode();
    assert.equal(major, '1');
    // Vendors may add a suffix to the minor version; its number must be there.
    assert.match(minor, /^\d+/);
    assert.ok(gitVersion.startsWith(`v${major}.${Number.parseInt(minor, 10)}.`), gitVersion);
  });
});
