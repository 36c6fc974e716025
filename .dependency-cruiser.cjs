// Who may import whom (src/README.md). Each room may import itself and the rooms named here; there is no list of exceptions.
const ROOMS = {
  lib: [],
  api: ['lib'],
  storage: ['lib'],
  client: ['api', 'lib'],
  apiserver: ['storage', 'api', 'lib'],
  controllers: ['client', 'api', 'lib'],
  scheduler: ['client', 'api', 'lib'],
  kubelet: ['client', 'api', 'lib'],
  proxy: ['client', 'api', 'lib'],
  dns: ['client', 'api', 'lib'],
  ingress: ['client', 'api', 'lib'],
  dashboard: ['client', 'api', 'lib'],
  node: ['apiserver', 'controllers', 'scheduler', 'kubelet', 'proxy', 'dns', 'ingress', 'dashboard', 'storage', 'client', 'api', 'lib'],
  cluster: ['client', 'api', 'lib'],
  cli: ['cluster', 'lib'],
  dev: ['api'],
};

const fences = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `fence-${room}`,
  comment: `${room} may import ${allowed.join(', ') || 'nothing of ours'}; see src/README.md`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...fences,
    // Cycles are the linter's (import/no-cycle): it tells imports of types, which are gone at run time, from the others.
    { name: 'no-tests-in-product', severity: 'error', from: { path: '^src/', pathNot: '\\.(test|fixture)\\.ts$' }, to: { path: '^test/|\\.(test|fixture)\\.ts$' } },
    {
      name: 'one-door',
      comment: 'A dependency has its one door (STYLE: dependencies).',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cluster|cli|storage|kubelet|dev)/|\\.test\\.ts$' },
      to: { path: 'node_modules/(dockerode|node-forge|ora|yargs|lmdb|tar)/' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'], exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    doNotFollow: { path: 'node_modules' },
    // The dashboard's page is TSX, which the parser does not read; test/house/fences.test.ts sees to its imports.
    exclude: { path: '^dist/|^src/dashboard/web/' },
  },
};
