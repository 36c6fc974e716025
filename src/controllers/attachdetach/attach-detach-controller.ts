/**
 * Attaches CSI volumes to the nodes whose pods use them, and detaches them when they do so no longer. What attaches is the driver's external
 * attacher; it is asked by a VolumeAttachment:
 *
 *     wanted --created--> attaching --status.attached--> in node.status.volumesAttached --unwanted, not in use--> taken out --> deleted
 *
 * A kubelet mounts only what volumesAttached names, and names in volumesInUse what must not be detached.
 */
import { csiAttachmentName, csiUniqueVolumeName } from '../../api/csi-names.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import { StatusError } from '../../api/status.ts';
import type { AttachedVolume, Node, PersistentVolume, Pod, VolumeAttachment } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { CSI_DRIVERS, NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, VOLUME_ATTACHMENTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { CLAIM_INDEX, indexByClaim } from '../persistentvolume/pods-of-claims.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isTerminal } from '../pods/pod-state.ts';
import { mayBeOnManyNodes, NODE_INDEX, nodeOfClaimant, type VolumeCaches, type WantedVolume, wantedVolumes } from './desired.ts';

export function createAttachDetachController(context: ComponentContext): Component[] {
  return [runReconciler(context, new AttachDetach(context))];
}

/** How long a node that is not healthy may say that it uses a volume that no pod of its uses (upstream's ReconcilerMaxWaitForUnmountDuration). */
const FORCE_AFTER_MS = 360_000;
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
const BY_NODE = 'node';
const BY_VOLUME = 'volume';
/** Attachments of other names are somebody else's. */
const OWN_NAME = /^csi-[0-9a-f]{64}$/;

/** Keys are names of nodes: one node's attachments and its status are one piece of work. One at a time: what one takes another cannot have. */
class AttachDetach implements Reconciler {
  readonly name = 'attachdetach-controller';
  readonly #context: ComponentContext;
  readonly #caches: VolumeCaches;
  readonly #nodes: Informer<Node>;
  readonly #attachments: Informer<VolumeAttachment>;
  /** Since when (monotonic ms) an attachment is kept only because its node says that it uses it. */
  readonly #unwantedSince = new Map<string, number>();
  /** The node for which a volume was asked and that the cache does not show yet, by PersistentVolume name. */
  readonly #asked = new Map<string, string>();

  constructor(context: ComponentContext) {
    const { client } = context;
    this.#context = context;
    this.#caches = {
      pods: client.informer(PODS),
      claims: client.informer(PERSISTENT_VOLUME_CLAIMS),
      volumes: client.informer(PERSISTENT_VOLUMES),
      drivers: client.informer(CSI_DRIVERS),
    };
    this.#nodes = client.informer(NODES);
    this.#attachments = client.informer(VOLUME_ATTACHMENTS);
    indexByClaim(this.#caches.pods);
    this.#caches.pods.addIndex(NODE_INDEX, nodeOfClaimant);
    this.#attachments.addIndex(BY_NODE, ({ spec }) => [spec.nodeName]);
    this.#attachments.addIndex(BY_VOLUME, ({ spec }) => (spec.source.persistentVolumeName ? [spec.source.persistentVolumeName] : []));
  }

  setup(queue: Parameters<Reconciler['setup']>[0]): void {
    const { pods, claims, volumes } = this.#caches;
    const add = (nodes: readonly string[]): void => nodes.forEach((node) => queue.add(node));
    const addPod = (pod: Pod): void => add(nodeOfClaimant(pod));
    pods.subscribe({
      added: addPod,
      updated: (pod, before) => (pod.spec?.nodeName !== before.spec?.nodeName || isTerminal(pod)) && addPod(pod),
      deleted: addPod,
    });
    const addClaimants = (key: string): void => pods.byIndex(CLAIM_INDEX, key).forEach(addPod);
    const addUsers = ({ spec }: PersistentVolume): void => {
      if (spec?.csi && spec.claimRef) addClaimants(`${spec.claimRef.namespace}/${spec.claimRef.name}`);
    };
    claims.subscribe({ updated: ({ metadata }) => addClaimants(`${metadata.namespace}/${metadata.name}`) });
    volumes.subscribe({ added: addUsers, updated: addUsers });
    const addAttachment = ({ spec }: VolumeAttachment): void => {
      this.#asked.delete(spec.source.persistentVolumeName ?? '');
      queue.add(spec.nodeName);
    };
    this.#attachments.subscribe({
      added: addAttachment,
      updated: addAttachment,
      deleted: (attachment) => {
        addAttachment(attachment);
        // another node may have waited for it
        const volume = volumes.get(attachment.spec.source.persistentVolumeName ?? '');
        if (volume) addUsers(volume);
      },
    });
    this.#nodes.subscribe({
      added: ({ metadata }) => queue.add(metadata.name!),
      updated: (node, before) => bearsOnDetaching(node, before) && queue.add(node.metadata.name!),
      deleted: ({ metadata }) => queue.add(metadata.name!),
    });
  }

  async reconcile(nodeName: string): Promise<ReconcileResult> {
    const wanted = wantedVolumes(nodeName, this.#caches);
    const present = this.#attachments.byIndex(BY_NODE, nodeName).filter(({ metadata }) => OWN_NAME.test(metadata.name!));
    if (wanted.size === 0 && present.length === 0) return this.#showAttached(nodeName, []);
    const unwanted = present.filter(({ spec }) => !wanted.has(spec.source.persistentVolumeName ?? ''));
    for (const { metadata, spec } of present)
      if (wanted.has(spec.source.persistentVolumeName ?? '')) this.#unwantedSince.delete(metadata.name!);
    const waits = unwanted.map((attachment) => this.#msUntilDetachable(attachment));
    const detachable = unwanted.filter((_, index) => waits[index] === 0);
    await this.#showAttached(
      nodeName,
      present.filter((attachment) => isAttached(attachment) && !detachable.includes(attachment)),
      wanted,
    );
    for (const attachment of detachable) await this.#detach(attachment);
    for (const each of wanted.values()) await this.#attach(nodeName, each);
    const next = Math.min(...waits.filter((ms) => ms > 0));
    return Number.isFinite(next) ? { afterMs: next } : undefined;
  }

  async #attach(nodeName: string, { volume, pods }: WantedVolume): Promise<void> {
    const { client, events } = this.#context;
    const name = csiAttachmentName(volume.spec!.csi!, nodeName);
    const present = this.#attachments.get(name);
    if (present) {
      const failure = isAttached(present) ? undefined : present.status?.attachError?.message;
      if (failure === undefined) return;
      const message = `AttachVolume.Attach failed for volume "${volume.metadata.name}" : ${failure}`;
      for (const pod of pods) events.event(pod, 'Warning', 'FailedAttachVolume', message);
      return;
    }
    if (this.#isTakenElsewhere(nodeName, volume)) {
      for (const pod of pods) events.event(pod, 'Warning', 'FailedAttachVolume', this.#multiAttachMessage(nodeName, volume, pod));
      return;
    }
    const spec = { attacher: volume.spec!.csi!.driver, nodeName, source: { persistentVolumeName: volume.metadata.name! } };
    this.#asked.set(volume.metadata.name!, nodeName);
    try {
      await client.resource(VOLUME_ATTACHMENTS).create({ metadata: { name }, spec });
    } catch (error) {
      this.#asked.delete(volume.metadata.name!);
      // made in a round that was cut off, or about to be shown by the cache
      if (!StatusError.is(error, 'AlreadyExists')) throw error;
    }
  }

  #isTakenElsewhere(nodeName: string, volume: PersistentVolume): boolean {
    if (mayBeOnManyNodes(volume)) return false;
    const asked = this.#asked.get(volume.metadata.name!);
    if (asked !== undefined && asked !== nodeName) return true;
    return this.#attachments.byIndex(BY_VOLUME, volume.metadata.name!).some(({ spec }) => spec.nodeName !== nodeName);
  }

  #multiAttachMessage(nodeName: string, { metadata, spec }: PersistentVolume, pod: Pod): string {
    const { namespace, name } = spec!.claimRef!;
    const others = this.#caches.pods
      .byIndex(CLAIM_INDEX, `${namespace}/${name}`)
      .filter((other) => other.spec?.nodeName && other.spec.nodeName !== nodeName && !isTerminal(other) && other !== pod)
      .map((other) => other.metadata.name!);
    const why =
      others.length > 0
        ? `Volume is already used by pod(s) ${others.join(', ')}`
        : "Volume is already exclusively attached to one node and can't be attached to another";
    return `Multi-Attach error for volume "${metadata.name}" ${why}`;
  }

  /** 0 when it can be detached now, Infinity when only a change can make it so. */
  #msUntilDetachable({ metadata, spec }: VolumeAttachment): number {
    const name = metadata.name!;
    const volume = this.#caches.volumes.get(spec.source.persistentVolumeName ?? '');
    const node = this.#nodes.get(spec.nodeName);
    const isInUse = node && volume ? (node.status?.volumesInUse ?? []).includes(csiUniqueVolumeName(volume.spec!.csi!)) : !node;
    const isOutOfService = node?.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
    if (!isInUse || isOutOfService) {
      this.#unwantedSince.delete(name);
      return 0;
    }
    const now = this.#context.clock.monotonic();
    const since = this.#unwantedSince.get(name) ?? now;
    this.#unwantedSince.set(name, since);
    // a healthy node will let go by itself
    if (node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return Number.POSITIVE_INFINITY;
    return Math.max(0, since + FORCE_AFTER_MS - now);
  }

  async #detach({ metadata }: VolumeAttachment): Promise<void> {
    if (metadata.deletionTimestamp) return;
    this.#unwantedSince.delete(metadata.name!);
    const preconditions = { uid: metadata.uid! };
    await unlessGone(this.#context.client.resource(VOLUME_ATTACHMENTS).delete(metadata.name!, { preconditions }));
  }

  /** Lets the kubelet see what is attached; entries of other kinds of volumes are not ours. Pods are told of what has been added. */
  async #showAttached(
    nodeName: string,
    attached: readonly VolumeAttachment[],
    wanted?: ReadonlyMap<string, WantedVolume>,
  ): Promise<undefined> {
    const node = this.#nodes.get(nodeName);
    if (!node) return;
    const before = node.status?.volumesAttached ?? [];
    const volumes = attached.flatMap(({ spec }) => this.#caches.volumes.get(spec.source.persistentVolumeName ?? '') ?? []);
    const own: AttachedVolume[] = volumes.map((volume) => ({ name: csiUniqueVolumeName(volume.spec!.csi!), devicePath: '' }));
    const foreign = before.filter(({ name }) => !name.startsWith('kubernetes.io/csi/'));
    const volumesAttached = [...foreign, ...own].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (semanticEqual(volumesAttached, before)) return;
    const patch = { status: { volumesAttached: volumesAttached.length > 0 ? volumesAttached : null } };
    await unlessGone(this.#context.client.resource(NODES).patch(nodeName, 'merge', patch, 'status'));
    for (const volume of volumes) {
      if (before.some(({ name }) => name === csiUniqueVolumeName(volume.spec!.csi!))) continue;
      const message = `AttachVolume.Attach succeeded for volume "${volume.metadata.name}" `;
      for (const pod of wanted?.get(volume.metadata.name!)?.pods ?? [])
        this.#context.events.event(pod, 'Normal', 'SuccessfulAttachVolume', message);
    }
  }
}

function isAttached({ metadata, status }: VolumeAttachment): boolean {
  return status?.attached === true && !metadata.deletionTimestamp;
}

function bearsOnDetaching(node: Node, before: Node): boolean {
  const seen = ({ spec, status }: Node): unknown => [
    status?.volumesInUse,
    status?.volumesAttached,
    spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE),
    status?.conditions?.find(({ type }) => type === 'Ready')?.status,
  ];
  return !semanticEqual(seen(node), seen(before));
}
