/** Every room says what it is, on a page, and names no file that is not there. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGE_LINES = 80;

const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
const map = readFileSync(join(ROOT, 'src', 'README.md'), 'utf8');

for (const { name } of rooms) {
  test(`src/${name} has a README and stands on the map`, () => {
    assert.ok(existsSync(join(ROOT, 'src', name, 'README.md')));
    const firstColumn = [...map.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, names = '']) => names.split(', '));
    assert.ok(firstColumn.includes(name), 'src/README.md has no row for it');
  });
}

const sources = globSync('{src,images,addons}/**/*.{ts,tsx,mjs}', { cwd: ROOT });

for (const readme of globSync('src/**/README.md', { cwd: ROOT })) {
  test(`${readme} is at most a page, and what it names is there`, () => {
    const text = readFileSync(join(ROOT, readme), 'utf8');
    assert.ok(text.split('\n').length <= PAGE_LINES, `${text.split('\n').length} lines`);
    const named = [...text.matchAll(/`([\w./-]+\.(?:ts|tsx|mjs))`/g)].map(([, file = '']) => file);
    const isThere = (file: string): boolean =>
      [join(dirname(readme), file), join('src', file), file].some((path) => existsSync(join(ROOT, path))) ||
      // In a paragraph about a folder its files go by their names alone.
      sources.some((source) => source.startsWith(dirname(readme)) && basename(source) === file);
    assert.deepEqual(
      named.filter((file) => !isThere(file)),
      [],
    );
  });
}
