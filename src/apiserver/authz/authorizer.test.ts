import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import { StatusError } from '../../api/status.ts';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { UserInfo } from '../../api/transport.ts';
import { clusterRoleBindings, clusterRoles } from '../bootstrap/cluster-roles.ts';
import { impersonate } from '../authn/impersonation.ts';
import { requestInfo } from '../request-info.ts';
import { createAuthorizer } from './authorizer.ts';
import { rbacEscalation } from './escalation.ts';
import { forbiddenRequest } from './forbidden.ts';

const RBAC = 'rbac.authorization.k8s.io';
const JANE: UserInfo = { name: 'jane', groups: ['devs', 'system:authenticated'] };
const ADMIN: UserInfo = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
const ANONYMOUS: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const NODE: UserInfo = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
const SCHEDULER: UserInfo = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };

const editOfJane: ObjectWithMeta = {
  apiVersion: `${RBAC}/v1`,
  kind: 'RoleBinding',
  metadata: { namespace: 'team', name: 'jane' },
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'edit' },
  subjects: [{ apiGroup: RBAC, kind: 'User', name: 'jane' }],
} as never;
const pod = (name: string, nodeName: string, secret: string): ObjectWithMeta =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'team', name, uid: name },
    spec: { nodeName, containers: [{ name: 'c', envFrom: [{ secretRef: { name: secret } }] }] },
  }) as never;

function setUp(...more: ObjectWithMeta[]) {
  const objects = new MemoryObjects(
    ...clusterRoles(),
    ...clusterRoleBindings(),
    editOfJane,
    pod('a', 'n1', 'mine'),
    pod('b', 'n2', 'theirs'),
    ...more,
  );
  return { objects, authorizer: createAuthorizer(objects) };
}

function ask(method: string, url: string) {
  const [path, query] = url.split('?') as [string, string?];
  return requestInfo(method, path, new URLSearchParams(query));
}

test('a node reads the secrets that the volumes of its pods name, whatever their namespace', () => {
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'disk' },
    spec: {
      claimRef: { namespace: 'team', name: 'data' },
      csi: { driver: 'd.example.com', volumeHandle: 'h', nodeStageSecretRef: { namespace: 'storage', name: 'key' } },
    },
  } as never;
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace: 'team', name: 'data' },
    spec: { volumeName: 'disk' },
  } as never;
  const user = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'team', name: 'user', uid: 'user' },
    spec: { nodeName: 'n1', containers: [], volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
  } as never;
  const { authorizer } = setUp(volume, claim, user);
  const mayRead = (name: string, as: UserInfo): boolean =>
    authorizer.authorize({ user: as, info: ask('GET', `/api/v1/namespaces/storage/secrets/${name}`) }).allowed;
  assert.equal(mayRead('key', NODE), true);
  assert.equal(mayRead('other', NODE), false);
  assert.equal(mayRead('key', { name: 'system:node:n2', groups: ['system:nodes', 'system:authenticated'] }), false);
});

test('a node reads the device claims of its pods, also those that were made of a template', () => {
  const user = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'team', name: 'user', uid: 'user' },
    spec: {
      nodeName: 'n1',
      containers: [],
      resourceClaims: [
        { name: 'a', resourceClaimName: 'named' },
        { name: 'b', resourceClaimTemplateName: 't' },
      ],
    },
    status: { resourceClaimStatuses: [{ name: 'b', resourceClaimName: 'made' }] },
  } as never;
  const { authorizer } = setUp(user);
  const mayRead = (name: string): boolean =>
    authorizer.authorize({ user: NODE, info: ask('GET', `/apis/resource.k8s.io/v1/namespaces/team/resourceclaims/${name}`) }).allowed;
  assert.deepEqual(['named', 'made', 'other'].map(mayRead), [true, true, false]);
});

describe('authorization', () => {
  const cases: [string, UserInfo, string, string, boolean][] = [
    ['masters may do anything', ADMIN, 'DELETE', '/api/v1/nodes/n1', true],
    ['an aggregated role in its namespace', JANE, 'POST', '/apis/apps/v1/namespaces/team/deployments', true],
    ['what edit takes in from view', JANE, 'GET', '/api/v1/namespaces/team/pods/web/log', true],
    ['but not in another namespace', JANE, 'GET', '/api/v1/namespaces/other/pods', false],
    ['nor in the cluster', JANE, 'GET', '/api/v1/pods', false],
    ['nor roles, which are admin’s', JANE, 'POST', `/apis/${RBAC}/v1/namespaces/team/roles`, false],
    ['a subresource is its own resource', JANE, 'PUT', '/apis/apps/v1/namespaces/team/deployments/web/status', false],
    ['discovery for everyone who is somebody', JANE, 'GET', '/apis/apps/v1', true],
    ['self reviews too', JANE, 'POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', true],
    ['the anonymous see health', ANONYMOUS, 'GET', '/readyz', true],
    ['and the version', ANONYMOUS, 'GET', '/version', true],
    ['but not discovery', ANONYMOUS, 'GET', '/api', false],
    ['the scheduler binds', SCHEDULER, 'POST', '/api/v1/namespaces/team/pods/a/binding', true],
    ['a lease by its name', SCHEDULER, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler', true],
    ['not another lease', SCHEDULER, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/other', false],
    ['a node reads the secrets of its pods', NODE, 'GET', '/api/v1/namespaces/team/secrets/mine', true],
    ['not those of others', NODE, 'GET', '/api/v1/namespaces/team/secrets/theirs', false],
    ['and lists none', NODE, 'GET', '/api/v1/namespaces/team/secrets', false],
    [
      'a watch of one secret is a read of it',
      NODE,
      'GET',
      '/api/v1/namespaces/team/secrets?watch=1&fieldSelector=metadata.name%3Dmine',
      true,
    ],
    ['a node renews its lease', NODE, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1', true],
    ['not another’s', NODE, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2', false],
    ['a node writes the status of pods', NODE, 'PATCH', '/api/v1/namespaces/team/pods/a/status', true],
    ['a node creates no deployments', NODE, 'POST', '/apis/apps/v1/namespaces/team/deployments', false],
  ];
  for (const [name, user, method, url, expected] of cases) {
    test(name, () => {
      const { authorizer } = setUp();
      assert.equal(authorizer.authorize({ user, info: ask(method, url) }).allowed, expected);
    });
  }

  test('every controller account of upstream may do its work', () => {
    const { authorizer } = setUp();
    const user: UserInfo = {
      name: 'system:serviceaccount:kube-system:deployment-controller',
      groups: ['system:serviceaccounts', 'system:authenticated'],
    };
    assert.ok(authorizer.authorize({ user, info: ask('POST', '/apis/apps/v1/namespaces/x/replicasets') }).allowed);
    assert.ok(!authorizer.authorize({ user, info: ask('DELETE', '/api/v1/nodes/n1') }).allowed);
  });

  test('a change of a binding or a role counts at once', async () => {
    const { objects, authorizer } = setUp();
    const info = ask('GET', '/api/v1/namespaces/team/widgets');
    assert.ok(!authorizer.authorize({ user: JANE, info }).allowed);
    objects.put({
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'widgets', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
      rules: [{ apiGroups: [''], resources: ['widgets'], verbs: ['list'] }],
    } as never);
    assert.ok(authorizer.authorize({ user: JANE, info }).allowed, 'view aggregates it, edit takes view in');
    await objects.source.delete(objects.resources.find(RBAC, 'v1', 'rolebindings')!, 'team', 'jane');
    assert.ok(!authorizer.authorize({ user: JANE, info }).allowed);
  });

  test('a denial reads as upstream’s', () => {
    const { authorizer } = setUp();
    const deny = (user: UserInfo, method: string, url: string): string => {
      const info = ask(method, url);
      return forbiddenRequest({ user, info }, authorizer.authorize({ user, info }).reason).message;
    };
    assert.equal(
      deny(JANE, 'GET', '/api/v1/namespaces/default/pods'),
      'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    assert.equal(
      deny(JANE, 'DELETE', '/apis/apps/v1/namespaces/default/deployments/web'),
      'deployments.apps "web" is forbidden: User "jane" cannot delete resource "deployments" in API group "apps" in the namespace "default"',
    );
    assert.equal(
      deny(JANE, 'GET', '/api/v1/nodes'),
      'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope',
    );
    assert.equal(deny(ANONYMOUS, 'GET', '/metrics'), 'forbidden: User "system:anonymous" cannot get path "/metrics"');
    assert.equal(
      deny(NODE, 'GET', '/api/v1/namespaces/team/secrets/theirs'),
      'secrets "theirs" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the namespace "team": no relationship found between node \'n1\' and this object',
    );
  });

  test('a role that is missing is named', () => {
    const { authorizer } = setUp({
      ...editOfJane,
      metadata: { namespace: 'lost', name: 'x' },
      roleRef: { apiGroup: RBAC, kind: 'Role', name: 'gone' },
    } as never);
    assert.equal(
      authorizer.authorize({ user: JANE, info: ask('GET', '/api/v1/namespaces/lost/pods') }).reason,
      'RBAC: role.rbac.authorization.k8s.io "gone" not found',
    );
  });
});

describe('escalation', () => {
  const admission = (user: UserInfo, resource: string, object: object) => {
    const { objects, authorizer } = setUp({
      ...editOfJane,
      metadata: { namespace: 'team', name: 'jane-admin' },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'admin' },
    } as never);
    const info = objects.resources.find(RBAC, 'v1', resource)!;
    return () =>
      rbacEscalation(authorizer).validate!({
        operation: 'CREATE',
        resource: info,
        subresource: '',
        namespace: 'team',
        name: 'r',
        object: { metadata: { name: 'r', namespace: 'team' }, ...object },
        user,
        dryRun: false,
        options: {},
        warn: () => undefined,
      });
  };
  test('nobody grants more than they hold', () => {
    assert.doesNotThrow(
      admission(JANE, 'roles', { rules: [{ apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'update'] }] }),
    );
    assert.throws(admission(JANE, 'roles', { rules: [{ apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['get', 'list'] }] }), {
      message:
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get", "list"]}',
    });
    assert.doesNotThrow(admission(ADMIN, 'roles', { rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }] }));
  });
  test('a binding grants what its role says', () => {
    const bind = (name: string) =>
      admission(JANE, 'rolebindings', { roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name }, subjects: [] });
    assert.doesNotThrow(bind('view'));
    assert.throws(bind('cluster-admin'), /attempting to grant RBAC permissions not currently held/);
    assert.throws(bind('nowhere'), (error: unknown) => StatusError.is(error, 'NotFound'));
  });
});

describe('impersonation', () => {
  test('needs the verb for each part', () => {
    const { authorizer } = setUp();
    assert.equal(impersonate({}, ADMIN, authorizer), undefined);
    assert.deepEqual(impersonate({ 'impersonate-user': 'bob', 'impersonate-group': 'devs' }, ADMIN, authorizer), {
      name: 'bob',
      groups: ['devs', 'system:authenticated'],
    });
    assert.deepEqual(impersonate({ 'impersonate-user': 'system:serviceaccount:a:b' }, ADMIN, authorizer)?.groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:a',
      'system:authenticated',
    ]);
    assert.throws(() => impersonate({ 'impersonate-user': 'bob' }, JANE, authorizer), {
      message: 'users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope',
    });
    assert.equal(
      impersonate({ 'impersonate-user': 'system:serviceaccount:team:x' }, JANE, authorizer)?.name,
      'system:serviceaccount:team:x',
    );
    assert.throws(() => impersonate({ 'impersonate-group': 'devs' }, ADMIN, authorizer), /without impersonating a user/);
  });
});
