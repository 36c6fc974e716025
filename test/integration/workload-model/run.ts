/** One run of the model: steps by chance, then quiet, in which all must come to what is wanted. The same steps give the same run. */
import { PODS } from '../../../src/client/resources.ts';
import { seededRng } from '../../../src/lib/random.ts';
import { Judge } from './judge.ts';
import { act, DILIGENT } from './kubelets.ts';
import { carryOut, DISTURBING, drawOperation, type OperationName } from './operations.ts';
import { unsettled } from './settled.ts';
import { controllerUid } from './truth.ts';
import { NODE_NAMES, World } from './world.ts';

export interface Step {
  operation: OperationName;
  seed: number;
}

export interface Outcome {
  /** Nothing was wrong when this is undefined. */
  failure: string | undefined;
  /** What each step did. */
  log: string[];
}

/** Until a world at rest must be as its objects say; pods of a node that is gone wait 40 s, failed pods back off for minutes. */
const REST_MS = 3_600_000;

export function drawSteps(seed: number, count: number): Step[] {
  const rng = seededRng(seed);
  // Every second seed is calm: there the promise of availability can be held to the letter.
  const rough = seed % 2 === 0;
  return Array.from({ length: count }, () => ({ operation: drawOperation(rng, rough), seed: Math.floor(rng.next() * 2 ** 32) }));
}

export async function runSteps(seed: number, steps: readonly Step[]): Promise<Outcome> {
  const world = new World(seed);
  const log: string[] = [];
  const judge = new Judge(world);
  let failure: string | undefined;
  try {
    await world.start();
    for (const [number, step] of steps.entries()) {
      const rng = seededRng(step.seed);
      if (DISTURBING.has(step.operation)) judge.disturbedAt = world.clock.now();
      const did = await carryOut(step.operation, world, rng);
      if (did) log.push(`${number} ${((world.clock.now() / 1000) % 100_000).toFixed(1)}: ${did}`);
      if (rng.next() < 0.7) await world.settle();
      await act(world, rng, { work: rng.next(), end: 0.3, fail: judge.disturbedAt === -Infinity ? 0 : 0.3 });
      await world.pass(100 + rng.next() * 1500);
      judge.look();
      if ((failure = judge.findings[0] ?? world.logged[0])) return { failure: `after step ${number}: ${failure}`, log };
    }
    failure = await rest(world, judge);
  } finally {
    await world.stop();
  }
  return { failure, log };
}

async function rest(world: World, judge: Judge): Promise<string | undefined> {
  world.setLag(0);
  for (const name of NODE_NAMES) if (!world.truth.get('minions', name)) await world.addNode(name);
  // Pods of nobody may have the names that StatefulSets need.
  const strays = world.truth.all('pods').filter((pod) => !controllerUid(pod));
  for (const { metadata } of strays) await world.admin.resource(PODS, 'default').delete(metadata.name!);
  const deadline = world.clock.now() + REST_MS;
  const rng = seededRng(1);
  let wait = 1000;
  for (;;) {
    await world.settle();
    await act(world, rng, DILIGENT);
    await world.pass(wait);
    judge.look();
    const found = judge.findings[0] ?? world.logged[0];
    if (found) return `while coming to rest: ${found}`;
    const open = unsettled(world.truth);
    if (open.length === 0) return undefined;
    if (world.clock.now() > deadline) return `not at rest after an hour:\n  ${open.join('\n  ')}`;
    // The first minute in small steps; what is still open then waits for a backoff.
    if (world.clock.now() > deadline - REST_MS + 60_000) wait = 20_000;
  }
}

/** Leaves out what the failure does not need, in ever smaller pieces, for at most `budgetMs` of real time. */
export async function shrink(
  seed: number,
  steps: readonly Step[],
  budgetMs: number,
): Promise<{ steps: readonly Step[]; outcome: Outcome }> {
  const until = performance.now() + budgetMs;
  let best = steps;
  let outcome = await runSteps(seed, best);
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.length && performance.now() < until;) {
      const fewer = [...best.slice(0, from), ...best.slice(from + size)];
      const tried = await runSteps(seed, fewer);
      if (tried.failure) [best, outcome] = [fewer, tried];
      else from += size;
    }
  }
  return { steps: best, outcome };
}
