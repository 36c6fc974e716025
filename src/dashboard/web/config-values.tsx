import { useState } from 'preact/hooks';
import type { ConfigMap, Secret } from '../../api/types.gen.ts';

export function ConfigValues({ object: { data = {}, binaryData = {} } }: { object: ConfigMap }) {
  const entries = [...Object.entries(data), ...Object.entries(binaryData).map(([key, value]) => [key, sizeText(value)] as const)];
  return (
    <section class="card">
      <h2>Data</h2>
      {entries.length === 0 && <p class="none">It is empty.</p>}
      {entries.map(([key, value]) => (
        <div class="value" key={key}>
          <h3>{key}</h3>
          <pre tabIndex={0}>{value}</pre>
        </div>
      ))}
    </section>
  );
}

/** Names at once, values when asked for, one by one: somebody may be looking over a shoulder. */
export function SecretValues({ object: { data = {} } }: { object: Secret }) {
  const entries = Object.entries(data);
  return (
    <section class="card">
      <h2>Data</h2>
      {entries.length === 0 && <p class="none">It is empty.</p>}
      {entries.map(([key, value]) => (
        <SecretValue key={key} name={key} value={value} />
      ))}
    </section>
  );
}

function SecretValue({ name, value }: { name: string; value: string }) {
  const [shown, setShown] = useState(false);
  return (
    <div class="value">
      <h3>
        {name}{' '}
        <button
          type="button"
          class="quiet"
          aria-expanded={shown}
          aria-label={`${shown ? 'Hide' : 'Show'} the value of ${name}`}
          onClick={() => setShown(!shown)}
        >
          {shown ? 'Hide' : 'Show'}
        </button>
      </h3>
      {shown ? <pre tabIndex={0}>{decoded(value)}</pre> : <p class="hint">{sizeText(value)}</p>}
    </div>
  );
}

function decoded(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return `${sizeText(base64)}, which are no text. In base64:\n${base64}`;
    throw error;
  }
}

function sizeText(base64: string): string {
  const bytes = Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
  return bytes === 1 ? '1 byte' : `${bytes} bytes`;
}
