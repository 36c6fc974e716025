import type { Ingress, IngressBackend, Service } from '../../api/types.gen.ts';

export function ServicePorts({ service: { spec } }: { service: Service }) {
  const ports = spec?.ports ?? [];
  if (ports.length === 0) return null;
  return (
    <section class="card">
      <h2>Ports</h2>
      <PlainTable
        titles={['Name', 'Port', 'Target', 'Node port', 'Protocol']}
        rows={ports.map(({ name, port, targetPort, nodePort, protocol }) => [
          name ?? '–',
          String(port),
          String(targetPort ?? port),
          nodePort ? String(nodePort) : '–',
          protocol ?? 'TCP',
        ])}
      />
    </section>
  );
}

export function IngressRules({ ingress: { spec } }: { ingress: Ingress }) {
  const rules = (spec?.rules ?? []).flatMap(({ host = '*', http }) =>
    (http?.paths ?? []).map(({ path = '/', pathType, backend }) => [
      host,
      path,
      pathType,
      backendText(backend),
      isTls(spec, host) ? 'yes' : 'no',
    ]),
  );
  const fallback = spec?.defaultBackend ? [['everything else', '', '', backendText(spec.defaultBackend), '']] : [];
  return (
    <section class="card">
      <h2>Rules</h2>
      <PlainTable titles={['Host', 'Path', 'Match', 'Goes to', 'TLS']} rows={[...rules, ...fallback]} />
    </section>
  );
}

function PlainTable({ titles, rows }: { titles: readonly string[]; rows: readonly (readonly string[])[] }) {
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.join(' ')}>
              {row.map((cell, index) => (
                <td key={titles[index]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function backendText({ service, resource }: IngressBackend): string {
  if (service) return `Service ${service.name}:${service.port?.name ?? service.port?.number ?? ''}`;
  return resource ? `${resource.kind} ${resource.name}` : '';
}

function isTls(spec: Ingress['spec'], host: string): boolean {
  return spec?.tls?.some(({ hosts = [] }) => hosts.includes(host)) ?? false;
}
