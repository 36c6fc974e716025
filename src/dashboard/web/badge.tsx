import { toneOf, type Tone } from './tone.ts';

export function Badge({ text, tone = toneOf(text) }: { text: string; tone?: Tone }) {
  return <span class={`badge ${tone}`}>{text}</span>;
}
