import assert from 'node:assert/strict';
import { conformance, IMAGES, until } from '../harness.ts';

conformance('cli', 'Kubectl logs', { pods: true }, (behaviour) => {
  behaviour('logs should be able to retrieve and filter logs', async (world) => {
    const lines = 20;
    const script = `i=0; while [ $i -lt ${lines} ]; do echo line $i; i=$((i+1)); done; sleep 3600`;
    await world.kubectl([
      'run',
      'talker',
      `--image=${IMAGES.shell}`,
      '--image-pull-policy=IfNotPresent',
      '--restart=Never',
      '--',
      'sh',
      '-c',
      script,
    ]);
    const logs = async (...flags: string[]): Promise<string> => (await world.kubectl(['logs', 'talker', ...flags])).stdout;
    await until(
      async () => (await world.kubectl(['logs', 'talker'], { reject: false })).stdout.includes(`line ${lines - 1}`),
      'all was said',
    );
    assert.equal((await logs()).split('\n').length, lines);
    assert.equal(await logs('--tail=1'), `line ${lines - 1}`);
    assert.equal((await logs('--tail=5')).split('\n').length, 5);
    assert.equal(await logs('--limit-bytes=1'), 'l');
    const stamp = (await logs('--tail=1', '--timestamps')).split(' ')[0]!;
    assert.match(stamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$/);
    assert.ok(Math.abs(Date.parse(stamp) - Date.now()) < 120_000, stamp);
    // A window before everything shows all of it, one in the last second of the log's silence nothing.
    assert.equal((await logs('--since=24h')).split('\n').length, lines);
    assert.equal((await logs(`--since-time=${stamp}`)).split('\n').at(-1), `line ${lines - 1}`);
    assert.equal(await until(async () => (await logs('--since=1s')) === '' && 'nothing', 'the last second is silent'), 'nothing');
  });
});
