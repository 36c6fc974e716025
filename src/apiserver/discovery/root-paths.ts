import { groupVersion } from '../../api/meta.ts';
import type { Handler, ResourceLookup } from '../contract.ts';

/** `/`: the paths that there are. `extra` are those besides discovery. */
export function rootPathsHandler(resources: ResourceLookup, extra: readonly string[]): Handler {
  return {
    name: 'root-paths',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && (info.path === '/' || info.path === '/index.html'),
    handle: async () => {
      const paths = new Set(['/api', '/apis', ...extra]);
      for (const { group, version } of resources.all()) {
        paths.add(group ? `/apis/${group}` : '/api');
        paths.add(group ? `/apis/${groupVersion({ group, version })}` : `/api/${version}`);
      }
      return { status: 200, body: { paths: [...paths].toSorted() } };
    },
  };
}
