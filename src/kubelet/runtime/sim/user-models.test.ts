import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { checkUserModel, readUserModels } from './user-models.ts';

describe('user models', () => {
  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['not a map', 'text', 'app.yaml: must be a map of fields'],
    ['no image', {}, 'app.yaml: image: must be a text'],
    ['an unknown field', { image: 'a', port: 80 }, 'app.yaml: port: unknown field; known are image, ports, log, http, exec, files, exit'],
    ['a port that is none', { image: 'a', ports: ['x'] }, 'app.yaml: ports[0]: must be a whole number from 1 to 65535'],
    [
      'a status that is none',
      { image: 'a', http: [{ path: '/', status: 'ok' }] },
      'app.yaml: http[0].status: must be a whole number from 100 to 599',
    ],
    ['a route without a path', { image: 'a', http: [{}] }, 'app.yaml: http[0].path: must be a text'],
    ['a time that is none', { image: 'a', exit: { after: 'soon' } }, 'app.yaml: exit.after: must be a duration such as 30s or 5m'],
    [
      'an exit code that is none',
      { image: 'a', exec: [{ command: 'x', exitCode: 300 }] },
      'app.yaml: exec[0].exitCode: must be a whole number from 0 to 255',
    ],
  ];
  for (const [name, value, message] of wrong)
    it(name, () => assert.throws(() => checkUserModel(value, 'app.yaml'), { name: 'UserModelError', message }));

  it('a full one', () => {
    const model = checkUserModel(
      {
        image: ['my/app', 'my/other:1'],
        http: [{ path: '/', body: 'hi' }],
        exec: [{ command: 'app version', stdout: '1' }],
        exit: { after: '2s', code: 3 },
        log: 'one line',
      },
      'app.yaml',
    );
    assert.deepEqual(model.ports, [8080]);
    assert.deepEqual(model.http, [{ path: '/', status: 200, headers: {}, body: 'hi' }]);
    assert.deepEqual(model.exec, [{ command: ['app', 'version'], stdout: '1', stderr: '', exitCode: 0 }]);
    assert.deepEqual(model.exit, { afterMs: 2000, code: 3 });
  });

  it('a broken file leaves the others alone', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-models-'));
    await writeFile(path.join(folder, 'a.yaml'), 'image: [unclosed');
    await writeFile(path.join(folder, 'b.yaml'), 'image: my/app\n');
    const told: string[] = [];
    const models = await readUserModels(folder, (error) => told.push(error.message));
    await rm(folder, { recursive: true });
    assert.deepEqual(
      models.map(({ repositories }) => repositories),
      [['docker.io/my/app']],
    );
    assert.equal(told.length, 1);
    assert.match(told[0]!, /^a\.yaml: /);
    assert.deepEqual(await readUserModels(path.join(folder, 'nothing'), () => assert.fail()), []);
  });
});
