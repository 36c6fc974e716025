import type { Container, ContainerStatus, PodSpec, PodStatus } from '../../api/types.gen.ts';
import { Badge } from './badge.tsx';

/** A pod's containers, init containers first, with how they are where that is known. */
export function Containers({ spec, status }: { spec: PodSpec | undefined; status?: PodStatus | undefined }) {
  const init = (spec?.initContainers ?? []).map((container) => ({ container, init: true }));
  const main = (spec?.containers ?? []).map((container) => ({ container, init: false }));
  const statuses = new Map(
    [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].map((each) => [each.name, each]),
  );
  return (
    <section class="card">
      <h2>Containers</h2>
      <ul class="containers">
        {[...init, ...main].map((each) => (
          <ContainerItem key={each.container.name} {...each} status={statuses.get(each.container.name)} />
        ))}
      </ul>
    </section>
  );
}

function ContainerItem({ container, init, status }: { container: Container; init: boolean; status: ContainerStatus | undefined }) {
  const { name, image, command = [], args = [], ports = [], resources } = container;
  const words = [...command, ...args];
  return (
    <li>
      <h3>
        {name} {init && <span class="hint">init</span>} {status && <Badge text={stateOf(status)} />}
        {status && status.restartCount > 0 && <span class="hint">restarted {status.restartCount}×</span>}
      </h3>
      <dl class="facts">
        <Line name="Image" text={image} />
        <Line name="Command" text={words.join(' ')} />
        <Line
          name="Ports"
          text={ports
            .map(({ containerPort, protocol = 'TCP', name }) => `${name ? `${name} ` : ''}${containerPort}/${protocol}`)
            .join(', ')}
        />
        <Line name="Requests" text={quantities(resources?.requests)} />
        <Line name="Limits" text={quantities(resources?.limits)} />
        <Line name="Why" text={troubleOf(status)} whole />
      </dl>
    </li>
  );
}

function Line({ name, text, whole = false }: { name: string; text: string | undefined; whole?: boolean }) {
  if (!text) return null;
  return (
    <div class={whole ? 'whole' : undefined}>
      <dt>{name}</dt>
      <dd>
        <code>{text}</code>
      </dd>
    </div>
  );
}

function stateOf({ state, ready }: ContainerStatus): string {
  if (state?.running) return ready ? 'Running' : 'Not ready';
  return state?.waiting?.reason ?? state?.terminated?.reason ?? 'Waiting';
}

/** What the container runtime said, of now or of the last end. */
function troubleOf(status: ContainerStatus | undefined): string | undefined {
  const { waiting } = status?.state ?? {};
  const ended = status?.state?.terminated ?? status?.lastState?.terminated;
  return (
    waiting?.message || (ended && `${ended.reason ?? 'ended'}, exit code ${ended.exitCode}${ended.message ? `: ${ended.message}` : ''}`)
  );
}

function quantities(resources: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(resources)
    .map(([name, quantity]) => `${name} ${String(quantity)}`)
    .join(', ');
}
