import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestInfo } from './request-info.ts';

describe('requestInfo', () => {
  const cases: { method: string; url: string; want: string }[] = [
    { method: 'GET', url: '/api/v1/namespaces', want: 'list ""/v1 namespaces' },
    { method: 'GET', url: '/api/v1/namespaces/other', want: 'get ""/v1 namespaces in other other' },
    { method: 'PUT', url: '/api/v1/namespaces/other/finalize', want: 'update ""/v1 namespaces/finalize in other other' },
    { method: 'GET', url: '/api/v1/namespaces/other/pods', want: 'list ""/v1 pods in other' },
    { method: 'GET', url: '/api/v1/namespaces/other/pods?watch=true', want: 'watch ""/v1 pods in other' },
    { method: 'GET', url: '/api/v1/namespaces/other/pods?watch=false', want: 'list ""/v1 pods in other' },
    { method: 'GET', url: '/api/v1/watch/namespaces/other/pods', want: 'watch ""/v1 pods in other' },
    { method: 'GET', url: '/api/v1/namespaces/other/pods/foo/log', want: 'get ""/v1 pods/log in other foo' },
    { method: 'POST', url: '/apis/apps/v1/namespaces/other/deployments', want: 'create "apps"/v1 deployments in other' },
    { method: 'DELETE', url: '/apis/apps/v1/namespaces/other/deployments', want: 'deletecollection "apps"/v1 deployments in other' },
    { method: 'DELETE', url: '/api/v1/nodes/n1', want: 'delete ""/v1 nodes n1' },
    { method: 'HEAD', url: '/api/v1/nodes/n1', want: 'get ""/v1 nodes n1' },
    { method: 'GET', url: '/api/v1/namespaces/other/pods?fieldSelector=metadata.name%3Dfoo', want: 'list ""/v1 pods in other foo' },
    { method: 'GET', url: '/api/v1/nodes/n1/proxy/a/b', want: 'get ""/v1 nodes/proxy n1 +a/b' },
    { method: 'GET', url: '/api/v1', want: 'get /api/v1' },
    { method: 'GET', url: '/apis/apps/v1', want: 'get /apis/apps/v1' },
    { method: 'POST', url: '/healthz', want: 'post /healthz' },
  ];
  for (const { method, url, want } of cases) {
    test(`${method} ${url}`, () => {
      const [path = '', query = ''] = url.split('?');
      const info = requestInfo(method, path, new URLSearchParams(query));
      const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
      const parts = [
        `${info.verb} "${info.group}"/${info.version} ${resource}`,
        info.namespace && `in ${info.namespace}`,
        info.name,
        info.parts.length > 0 && `+${info.parts.join('/')}`,
      ];
      assert.equal(info.isResourceRequest ? parts.filter(Boolean).join(' ') : `${info.verb} ${info.path}`, want);
    });
  }
});
