import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Pod } from '../../api/types.gen.ts';
import { type LogSource, type LogState, followLog } from './follow-log.ts';
import { useSession } from './session.ts';

const NOTHING: LogState = { lines: [], first: 0, over: false };

/** A container's log as it grows. It follows the end until the person scrolls up, and again when they come back down. */
export function LogsTab({ pods }: { pods: readonly Pod[] }) {
  const sorted = pods.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
  // One that is on its way out has the least to say.
  const preferred = sorted.find(({ metadata }) => !metadata.deletionTimestamp) ?? sorted[0]!;
  const [podName, setPodName] = useState(preferred.metadata.name!);
  const pod = sorted.find(({ metadata }) => metadata.name === podName) ?? preferred;
  const names = containerNames(pod);
  const [containerName, setContainerName] = useState('');
  const container = names.includes(containerName) ? containerName : defaultContainer(pod, names);
  const [previous, setPrevious] = useState(false);
  const [wrap, setWrap] = useState(true);
  const state = useLog(pod, container, previous);
  return (
    <section class="logs">
      <div class="toolbar">
        {sorted.length > 1 && (
          <Picker label="Pod" value={pod.metadata.name!} options={sorted.map(({ metadata }) => metadata.name!)} onChange={setPodName} />
        )}
        <Picker label="Container" value={container} options={names} onChange={setContainerName} />
        <Switch label="Before the last restart" checked={previous} onChange={setPrevious} />
        <Switch label="Wrap lines" checked={wrap} onChange={setWrap} />
        <span class="hint" role="status">
          {state.waiting ? 'Waiting' : state.over ? 'The log ended' : 'Following'}
        </span>
      </div>
      <Lines state={state} wrap={wrap} />
    </section>
  );
}

function containerNames({ spec }: Pod): string[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? []), ...(spec?.ephemeralContainers ?? [])].map(({ name }) => name);
}

/** kubectl's rule: the annotation's, else the first. */
function defaultContainer({ metadata }: Pod, names: readonly string[]): string {
  const wanted = metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  return wanted && names.includes(wanted) ? wanted : names[0]!;
}

/** Begins anew with each instance of the container: a log ends where its instance does. */
function useLog({ metadata, status }: Pod, container: string, previous: boolean): LogState {
  const { api } = useSession();
  const [state, setState] = useState(NOTHING);
  const { namespace, name, uid } = metadata;
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  const instance = statuses.find((each) => each.name === container)?.containerID;
  useEffect(() => {
    setState(NOTHING);
    const source: LogSource = { namespace: namespace!, pod: name!, container, previous };
    return followLog(api, source, setState);
  }, [api, namespace, name, uid, container, instance, previous]);
  return state;
}

function Lines({ state, wrap }: { state: LogState; wrap: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    if (following.current) box.current!.scrollTop = box.current!.scrollHeight;
  }, [state, wrap]);
  const onScroll = (): void => {
    const { scrollTop, clientHeight, scrollHeight } = box.current!;
    following.current = scrollTop + clientHeight >= scrollHeight - 20;
  };
  return (
    <pre ref={box} class={wrap ? 'code log wrap' : 'code log'} tabIndex={0} role="log" aria-label="Log lines" onScroll={onScroll}>
      {state.lines.length === 0 && state.over && <span class="hint">It wrote nothing.</span>}
      {state.waiting && <span class="hint">{state.waiting}</span>}
      {state.lines.map((line, index) => (
        <span key={state.first + index}>{line || ' '}</span>
      ))}
    </pre>
  );
}

function Picker({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly string[];
  onChange: (value: string) => void;
}) {
  return (
    <label class="picker">
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

function Switch({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label class="switch">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}
