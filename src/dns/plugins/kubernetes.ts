import { RCODES, respond, zoneOf } from '../message.ts';
import { fail, fallthroughOf, numberArg, type PluginFactory, zonesArg } from '../plugin.ts';
import { ClusterNames } from '../kubernetes/cluster-names.ts';
import { answerCluster, type PodNames } from '../kubernetes/answer.ts';
import { answerReverse } from '../kubernetes/reverse.ts';
import { denial, soaRecord } from '../kubernetes/soa.ts';

const IGNORED = ['endpoint', 'kubeconfig', 'tls', 'endpoint_pod_names', 'namespace_labels', 'labels', 'noendpoints'];

/** `kubernetes [ZONES…] { pods disabled|insecure|verified; ttl SECONDS; fallthrough [ZONES…] }`: names of the cluster, from its own caches. */
export const kubernetes: PluginFactory = (setup) => {
  const { directive, context } = setup;
  const zones = zonesArg(setup);
  let pods: PodNames = 'disabled';
  let ttl = 5;
  for (const property of directive.block) {
    if (property.name === 'pods')
      pods = podsArg(property.args[0]) ?? fail(property, `"${property.args[0] ?? ''}" is none of disabled, insecure, verified`);
    else if (property.name === 'ttl') ttl = numberArg(property);
    else if (IGNORED.includes(property.name)) fail(property, 'is not supported');
    else if (property.name !== 'fallthrough') fail(property, 'unknown property of kubernetes');
  }
  const passesOn = fallthroughOf(directive.block.find(({ name }) => name === 'fallthrough'));
  const names = new ClusterNames(context.client, { watchPods: pods === 'verified' });
  const isReverse = (zone: string): boolean => zone.endsWith('in-addr.arpa') || zone.endsWith('ip6.arpa');
  const primary = zones.find((zone) => !isReverse(zone)) ?? 'cluster.local';
  return {
    start: (signal) => names.start(signal),
    handler: (next) => (query) => {
      const zone = zoneOf(query.name, zones);
      if (zone === undefined) return next(query);
      const found = isReverse(zone)
        ? answerReverse(query, { names, zone: primary, ttl })
        : answerCluster(query, { names, zone, ttl, pods, clock: context.clock, resolve: context.resolve });
      if (found) return found;
      if (passesOn(query.name)) return next(query);
      return respond(RCODES.NXDOMAIN, denial(soaRecord(zone, ttl, context.clock)));
    },
  };
};

const podsArg = (text: string | undefined): PodNames | undefined =>
  text === 'disabled' || text === 'insecure' || text === 'verified' ? text : undefined;
