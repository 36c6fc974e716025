/**
 * The workload controllers against random users, misfortune and restarts. ROCKPOOL_TEST_LONG makes it thousands of steps on many seeds;
 * ROCKPOOL_TEST_SEED runs one seed, as a failure prints it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawSteps, runSteps, shrink } from './workload-model/run.ts';

const long = Boolean(process.env['ROCKPOOL_TEST_LONG']);
const given = process.env['ROCKPOOL_TEST_SEED'];
// The short form's have each found something once.
const seeds = given ? [Number(given)] : long ? Array.from({ length: 60 }, (_, n) => n + 1) : [7, 8, 9, 10, 24, 75];
const count = long ? 2000 : 250;

for (const seed of seeds) {
  test(`workloads keep their promises and come to rest: seed ${seed}, ${count} steps`, async () => {
    const steps = drawSteps(seed, count);
    const { failure } = await runSteps(seed, steps);
    if (failure === undefined) return;
    const { steps: least, outcome } = await shrink(seed, steps, 60_000);
    const what = outcome.failure ?? `${failure} (not again with the same steps)`;
    assert.fail(`seed ${seed}: ${what}\n${least.length} of ${count} steps are enough:\n  ${outcome.log.join('\n  ')}`);
  });
}
