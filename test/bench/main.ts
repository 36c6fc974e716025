/**
 * `npm run bench` prints every figure beside its reference; `npm run bench -- start idle pods image pipeline api` only those. `--short` makes counts small
 * (to see that a bench works, not to quote), `--driver sim|docker` keeps to one driver.
 */
import { hasEngine } from '../fixtures/machine.ts';
import { ANSWER_BYTES, FULL, SHORT, benchApi } from './api.ts';
import { benchBareServer } from './bare-server.ts';
import type { DriverName } from './cluster.ts';
import { type Figure, printFigures } from './measure.ts';
import { benchImage } from './image.ts';
import { benchPipeline } from './pipeline.ts';
import { benchPods } from './pods.ts';
import { benchScale } from './scale.ts';
import { benchIdle, benchStart } from './start.ts';

const args = process.argv.slice(2);
const short = args.includes('--short');
const only = args.includes('--driver') ? args[args.indexOf('--driver') + 1] : undefined;
const chosen = args.filter((argument, index) => !argument.startsWith('--') && args[index - 1] !== '--driver');
const runs = short ? 1 : 5;

const drivers = (['sim', ...((await hasEngine()) ? ['docker'] : [])] as DriverName[]).filter((driver) => !only || driver === only);
const each = async (bench: (driver: DriverName) => Promise<Figure[]>): Promise<Figure[]> => {
  const figures: Figure[] = [];
  for (const driver of drivers) figures.push(...(await bench(driver)));
  return figures;
};

const BENCHES: Record<string, () => Promise<Figure[]>> = {
  start: () => each((driver) => benchStart(driver, runs)),
  idle: () => each((driver) => benchIdle(driver, short ? { settleMs: 2_000, watchMs: 5_000 } : {})),
  pods: () => each((driver) => benchPods(driver, short ? 3 : 20)),
  image: () => benchImage(short ? 1 : 3),
  pipeline: async () => [
    ...(await each((driver) =>
      benchPipeline(
        driver,
        short ? 1 : 3,
        short
          ? [{ replicas: 100, nodes: 10 }]
          : [
              { replicas: 100, nodes: 10 },
              { replicas: 1000, nodes: 20 },
            ],
      ),
    )),
    ...(drivers.includes('sim')
      ? await benchScale(short ? { nodes: 100, replicas: 200, deployments: 2 } : { nodes: 1000, replicas: 1000, deployments: 10 })
      : []),
  ],
  api: async () => [
    ...(await benchBareServer(runs, short ? SHORT : FULL, ANSWER_BYTES)),
    ...(await each((driver) => benchApi(driver, driver === 'docker' ? 'etcd' : 'embedded', runs, short ? SHORT : FULL))),
  ],
};

for (const name of chosen.length > 0 ? chosen : Object.keys(BENCHES)) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`there is no bench "${name}"; there are ${Object.keys(BENCHES).join(', ')}`);
  printFigures(name, await bench());
}
