/** How a status looks: well, on its way, in trouble, or over. */
export type Tone = 'good' | 'busy' | 'bad' | 'idle';

const GOOD = new Set(['Running', 'Ready', 'Active', 'Bound', 'Available', 'True']);
const BUSY = new Set([
  'Pending',
  'ContainerCreating',
  'PodInitializing',
  'Terminating',
  'Released',
  'Suspended',
  'SchedulingGated',
  'SuccessCriteriaMet',
]);
const IDLE = new Set(['Completed', 'Complete', 'Succeeded', 'Normal', '']);

/** Of a word in a Status or Type column; of `2/3` in a Ready column. */
export function toneOf(text: string): Tone {
  const counts = /^(\d+)\/(\d+)$/.exec(text);
  if (counts) return counts[2] === '0' ? 'idle' : counts[1] === counts[2] ? 'good' : 'busy';
  if (GOOD.has(text)) return 'good';
  if (IDLE.has(text)) return 'idle';
  if (BUSY.has(text) || /^Init:\d/.test(text) || text.startsWith('Ready,')) return 'busy';
  return 'bad';
}
