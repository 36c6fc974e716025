import type { ConfigMap } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { CONFIG_MAPS } from '../client/resources.ts';

/** Where the Corefile comes from. */
export interface CorefileSource {
  /** Resolves with its text and calls back with each later one, until stopped. */
  start(changed: (text: string) => void): Promise<string>;
  stop(): void;
}

/** `Corefile` of ConfigMap kube-system/coredns, as kubeadm has it; `fallback` while there is none. */
export function corefileFromConfigMap(client: Client, fallback: string): CorefileSource {
  const configMaps = client.informer(CONFIG_MAPS, { namespace: 'kube-system', fieldSelector: 'metadata.name=coredns' });
  const textOf = (configMap: ConfigMap | undefined): string => configMap?.data?.Corefile ?? fallback;
  let stop: (() => void) | undefined;
  return {
    async start(changed) {
      await configMaps.start();
      const current = textOf(configMaps.list()[0]);
      stop = configMaps.subscribe({
        added: (configMap) => changed(textOf(configMap)),
        updated: (configMap) => changed(textOf(configMap)),
        deleted: () => changed(fallback),
      });
      return current;
    },
    stop: () => stop?.(),
  };
}
