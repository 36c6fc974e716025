import { NAMESPACES, REPLICATION_CONTROLLERS, REPLICA_SETS, SERVICES, STATEFUL_SETS } from '../client/resources.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import type { SchedulerConfiguration } from './config/configuration.ts';
import { createProfile, type Profile, type ProfileSources } from './profile.ts';
import { workloadSelector } from './workloads.ts';

/** The profiles of a configuration by the names that pods call them by. */
export function createProfiles(
  { client, rng }: ComponentContext,
  { profiles, percentageOfNodesToScore, extenders }: SchedulerConfiguration,
  objects: Pick<ProfileSources, 'volumes' | 'devices'>,
): Map<string, Profile> {
  const namespaces = client.informer(NAMESPACES);
  const sources: ProfileSources = {
    ...objects,
    namespaceLabels: (namespace) => namespaces.get(namespace)?.metadata.labels,
    workloadSelector: workloadSelector({
      services: client.informer(SERVICES),
      replicaSets: client.informer(REPLICA_SETS),
      statefulSets: client.informer(STATEFUL_SETS),
      replicationControllers: client.informer(REPLICATION_CONTROLLERS),
    }),
    uuid: () => rng.uuid(),
    ignoredResources: extenders
      .flatMap(({ managedResources = [] }) => managedResources)
      .filter(({ ignoredByScheduler }) => ignoredByScheduler)
      .map(({ name }) => name),
  };
  return new Map(profiles.map((each) => [each.schedulerName, createProfile(each, percentageOfNodesToScore, sources)]));
}
