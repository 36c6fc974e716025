/** Every path of the kubelet's server. */
import type { Pod } from '../../api/types.gen.ts';
import { containerLogs } from './container-logs.ts';
import { resourceMetrics, summary } from './stats.ts';
import { attach, exec, portForward } from './streams.ts';
import { HttpError } from './http-error.ts';
import { type Route, sendJson, type UpgradeRoute } from './route.ts';

const upgradeOnly: Route = () => {
  throw new HttpError(400, 'Upgrade request required');
};

export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', ({ response }) => void response.end('ok')],
  ['/pods', ({ response }, { pods }) => sendJson(response, podList(pods.pods()))],
  ['/runningpods', ({ response }, { pods }) => sendJson(response, podList(pods.pods().filter((pod) => pod.status?.phase === 'Running')))],
  ['/containerLogs', containerLogs],
  ['/stats/summary', summary],
  ['/metrics/resource', resourceMetrics],
  [
    '/configz',
    ({ response }, context) =>
      sendJson(response, {
        kubeletconfig: { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1', nodeName: context.nodeName },
      }),
  ],
  ['/exec', upgradeOnly],
  ['/attach', upgradeOnly],
  ['/portForward', upgradeOnly],
]);

export const UPGRADES: ReadonlyMap<string, UpgradeRoute> = new Map<string, UpgradeRoute>([
  ['/exec', exec],
  ['/attach', attach],
  ['/portForward', portForward],
]);

function podList(items: readonly Pod[]): object {
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
}
