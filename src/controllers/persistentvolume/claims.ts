import { semanticEqual } from '../../api/patch/json.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, StorageClass } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES } from '../../client/resources.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isTerminal } from '../pods/pod-state.ts';
import { findVolume, misfit } from './match.ts';
import { CLAIM_INDEX } from './pods-of-claims.ts';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  classOf,
  defaultClass,
  isMeantFor,
  leavesClassOpen,
  PROVISIONER,
  PROVISIONER_BETA,
  SELECTED_NODE,
  withAnnotations,
} from './storage.ts';

const IN_TREE = 'kubernetes.io/';

/** The binder's half that looks from claims. */
export class Claims {
  readonly #context: ComponentContext;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #classes: Informer<StorageClass>;
  readonly #nodes: Informer<Node>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#volumes = context.client.informer(PERSISTENT_VOLUMES);
    this.#classes = context.client.informer(STORAGE_CLASSES);
    this.#nodes = context.client.informer(NODES);
  }

  /** Brings one claim a step nearer to being bound, or tells why it cannot be. */
  async attend(claim: PersistentVolumeClaim): Promise<void> {
    if (claim.metadata.annotations?.[BIND_COMPLETED] !== undefined) return this.#attendBound(claim);
    if (claim.metadata.deletionTimestamp) return;
    if (claim.spec?.volumeName) return this.#attendNamed(claim, claim.spec.volumeName);
    const isWaiting = this.#isWaiting(claim);
    const node = this.#nodes.get(claim.metadata.annotations?.[SELECTED_NODE] ?? '');
    const volume = findVolume(claim, this.#volumes.list(), { isWaiting, ...(node ? { node } : {}) });
    if (volume) return this.#bind(claim, volume);
    if (isWaiting) this.#tellWaiting(claim);
    else await this.#provide(claim);
    await this.#setStatus(claim, { phase: 'Pending' });
  }

  /** The author, or the scheduler, has chosen the volume. */
  async #attendNamed(claim: PersistentVolumeClaim, name: string): Promise<void> {
    const volume = this.#volumes.get(name);
    if (!volume) return this.#setStatus(claim, { phase: 'Pending' });
    const reference = volume.spec?.claimRef;
    if (!reference || isMeantFor(volume, claim)) {
      const problem = reference ? undefined : misfit(volume, claim);
      if (problem === undefined) return this.#bind(claim, volume);
      this.#context.events.event(claim, 'Warning', 'VolumeMismatch', `Cannot bind to requested volume "${name}": ${problem}`);
    } else {
      this.#context.events.event(claim, 'Warning', 'FailedBinding', `volume "${name}" already bound to a different claim.`);
    }
    await this.#setStatus(claim, { phase: 'Pending' });
  }

  async #attendBound(claim: PersistentVolumeClaim): Promise<void> {
    const name = claim.spec?.volumeName;
    const volume = name ? this.#volumes.get(name) : undefined;
    if (!name) return this.#lose(claim, 'ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
    if (!volume) return this.#lose(claim, 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
    if (!volume.spec?.claimRef || isMeantFor(volume, claim)) return this.#bind(claim, volume);
    return this.#lose(claim, 'ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
  }

  /**
   * First the volume points at the claim, then the claim at the volume: whoever is killed in between leaves a volume that only this
   * claim can have. Each write names the revision that was looked at, so that two claims never get one volume.
   */
  async #bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
    await this.#pointVolume(volume, claim);
    const bound = await this.#pointClaim(claim, volume);
    const { accessModes, capacity, volumeAttributesClassName } = volume.spec ?? {};
    await this.#setStatus(bound, {
      phase: 'Bound',
      ...(accessModes ? { accessModes } : {}),
      ...(capacity ? { capacity } : {}),
      ...(volumeAttributesClassName ? { currentVolumeAttributesClassName: volumeAttributesClassName } : {}),
    });
  }

  async #pointVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    const { namespace, name, uid, resourceVersion } = claim.metadata;
    const before = volume.spec?.claimRef;
    if (before?.uid === uid) return;
    const claimRef = {
      kind: 'PersistentVolumeClaim',
      namespace: namespace!,
      name: name!,
      uid: uid!,
      apiVersion: 'v1',
      resourceVersion: resourceVersion!,
    };
    const pointed = { ...volume, spec: { ...volume.spec, claimRef } };
    await this.#context.client
      .resource(PERSISTENT_VOLUMES)
      .update(before ? pointed : withAnnotations(pointed, { [BOUND_BY_CONTROLLER]: 'yes' }));
  }

  async #pointClaim(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<PersistentVolumeClaim> {
    const name = volume.metadata.name!;
    const isNamed = claim.spec?.volumeName === name;
    if (isNamed && claim.metadata.annotations?.[BIND_COMPLETED] !== undefined) return claim;
    const annotations = { [BIND_COMPLETED]: 'yes', ...(isNamed ? {} : { [BOUND_BY_CONTROLLER]: 'yes' }) };
    const pointed = withAnnotations({ ...claim, spec: { ...claim.spec, volumeName: name } }, annotations);
    return this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).update(pointed);
  }

  /** Asks the class's provisioner for a volume, or says why none will come. */
  async #provide(claim: PersistentVolumeClaim): Promise<void> {
    const { events, client } = this.#context;
    const name = classOf(claim);
    if (name === '') {
      const chosen = leavesClassOpen(claim) ? defaultClass(this.#classes.list()) : undefined;
      if (!chosen)
        return events.event(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set');
      // A default class that came after the claim (KEP-3333); the claim's own event leads here again.
      const update = { ...claim, spec: { ...claim.spec, storageClassName: chosen.metadata.name! } };
      await unlessGone(client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).update(update));
      return;
    }
    const provisioner = this.#classes.get(name)?.provisioner;
    if (provisioner === undefined)
      return events.event(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`);
    if (provisioner.startsWith(IN_TREE))
      return events.event(claim, 'Warning', 'ProvisioningFailed', `no volume plugin matched name: ${provisioner}`);
    if (claim.metadata.annotations?.[PROVISIONER] !== provisioner) {
      const asked = withAnnotations(claim, { [PROVISIONER]: provisioner, [PROVISIONER_BETA]: provisioner });
      await unlessGone(client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).update(asked));
    }
    const how = `either by the external provisioner '${provisioner}' or manually by the system administrator`;
    const advice = 'If volume creation is delayed, please verify that the provisioner is running and correctly registered.';
    events.event(claim, 'Normal', 'ExternalProvisioning', `Waiting for a volume to be created ${how}. ${advice}`);
  }

  /** The class wants the scheduler to choose a node first, and it has not yet. */
  #isWaiting(claim: PersistentVolumeClaim): boolean {
    const { volumeBindingMode } = this.#classes.get(classOf(claim)) ?? {};
    return volumeBindingMode === 'WaitForFirstConsumer' && claim.metadata.annotations?.[SELECTED_NODE] === undefined;
  }

  #tellWaiting(claim: PersistentVolumeClaim): void {
    const { namespace, name } = claim.metadata;
    const users = this.#context.client.informer(PODS).byIndex(CLAIM_INDEX, `${namespace}/${name}`);
    const unscheduled = users.filter((pod) => !pod.spec?.nodeName && !isTerminal(pod)).map(({ metadata }) => metadata.name);
    if (unscheduled.length === 0) {
      this.#context.events.event(claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
      return;
    }
    const pods = unscheduled.length > 1 ? `pods ${unscheduled.join(',')}` : `pod ${unscheduled[0]}`;
    this.#context.events.event(claim, 'Normal', 'WaitForPodScheduled', `waiting for ${pods} to be scheduled`);
  }

  async #lose(claim: PersistentVolumeClaim, reason: string, message: string): Promise<void> {
    if (claim.status?.phase === 'Lost') return;
    await this.#setStatus(claim, { phase: 'Lost' });
    this.#context.events.event(claim, 'Warning', reason, message);
  }

  async #setStatus(claim: PersistentVolumeClaim, change: PersistentVolumeClaimStatus): Promise<void> {
    const { capacity, ...rest } = change;
    // The size of a bound claim may be ahead of its volume's while a resize is under way.
    const isBoundAlready = claim.status?.phase === 'Bound' && claim.status.capacity !== undefined;
    const status = { ...claim.status, ...rest, ...(capacity && !isBoundAlready ? { capacity } : {}) };
    if (semanticEqual(status, claim.status)) return;
    await unlessGone(this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).updateStatus({ ...claim, status }));
  }
}
