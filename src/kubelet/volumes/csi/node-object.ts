/** What the API is told of a node's CSI drivers: the CSINode object, an annotation and topology labels of the Node. */
import { semanticEqual } from '../../../api/patch/json.ts';
import { StatusError } from '../../../api/status.ts';
import type { CSINode, CSINodeDriver } from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import { CSI_NODES, NODES } from '../../../client/resources.ts';

const NODE_ID = 'csi.volume.kubernetes.io/nodeid';

export interface DriverOnNode {
  name: string;
  nodeId: string;
  /** 0: as many as it takes. */
  maxVolumes: number;
  topology: Readonly<Record<string, string>>;
}

export class CsiNodeObject {
  readonly #client: Client;
  readonly #nodeName: string;
  /** Writes one after the other: drivers register side by side. */
  #last: Promise<void> = Promise.resolve();

  constructor(client: Client, nodeName: string) {
    this.#client = client;
    this.#nodeName = nodeName;
  }

  /** The object is there from the start, without drivers: schedulers and people look for it. */
  ensure(): Promise<void> {
    return this.#next(() => this.#write((drivers) => [...drivers]));
  }

  /** Throws StatusError, also where the driver says that the node is in another zone than before. */
  add({ name, nodeId, maxVolumes, topology }: DriverOnNode): Promise<void> {
    return this.#next(async () => {
      const driver: CSINodeDriver = {
        name,
        nodeID: nodeId,
        topologyKeys: Object.keys(topology).toSorted(),
        ...(maxVolumes > 0 ? { allocatable: { count: maxVolumes } } : {}),
      };
      await this.#labelNode(name, nodeId, topology);
      await this.#write((drivers) => [...drivers.filter((each) => each.name !== name), driver]);
    });
  }

  remove(name: string): Promise<void> {
    return this.#next(async () => {
      await this.#labelNode(name, undefined, {});
      await this.#write((drivers) => drivers.filter((each) => each.name !== name));
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(change: (drivers: readonly CSINodeDriver[]) => CSINodeDriver[]): Promise<void> {
    const objects = this.#client.resource(CSI_NODES);
    for (let attempt = 0; ; attempt++) {
      try {
        const present = await this.#read();
        const drivers = change(present?.spec.drivers ?? []);
        if (!present) await objects.create(await this.#newObject(drivers));
        else if (!semanticEqual(drivers, present.spec.drivers)) await objects.update({ ...present, spec: { ...present.spec, drivers } });
        return;
      } catch (error) {
        const raced = StatusError.is(error, 'Conflict') || StatusError.is(error, 'AlreadyExists');
        if (!raced || attempt >= 5) throw error;
      }
    }
  }

  async #read(): Promise<CSINode | undefined> {
    try {
      return await this.#client.resource(CSI_NODES).get(this.#nodeName);
    } catch (error) {
      if (StatusError.is(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /** Owned by the Node, so that it goes with it. */
  async #newObject(drivers: CSINodeDriver[]): Promise<CSINode> {
    const { metadata } = await this.#client.resource(NODES).get(this.#nodeName);
    const owner = { apiVersion: 'v1', kind: 'Node', name: this.#nodeName, uid: metadata.uid! };
    return { metadata: { name: this.#nodeName, ownerReferences: [owner] }, spec: { drivers } };
  }

  async #labelNode(driver: string, nodeId: string | undefined, topology: Readonly<Record<string, string>>): Promise<void> {
    const nodes = this.#client.resource(NODES);
    const { metadata } = await nodes.get(this.#nodeName);
    const { [driver]: _before, ...others } = JSON.parse(metadata.annotations?.[NODE_ID] ?? '{}') as Record<string, string>;
    const ids = nodeId === undefined ? others : { ...others, [driver]: nodeId };
    const annotations = { [NODE_ID]: Object.keys(ids).length > 0 ? JSON.stringify(ids) : null };
    await nodes.patch(this.#nodeName, 'merge', { metadata: { annotations, labels: topology } });
  }
}
