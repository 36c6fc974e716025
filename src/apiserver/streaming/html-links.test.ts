import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewriteLinks } from './html-links.ts';

const behind = (link: string): string => (link.startsWith('/') ? `/p${link}` : link);

const cases: [string, string, string][] = [
  ['a link', '<a href="/x?a=1&amp;b=2">x</a>', '<a href="/p/x?a=1&amp;b=2">x</a>'],
  ['quotes of all kinds', `<a href='/x'><a href=/y><a href = "/z">`, `<a href='/p/x'><a href=/p/y><a href = "/p/z">`],
  ['capitals', '<A HREF="/x">', '<A HREF="/p/x">'],
  ['several in one element', '<img src="/a" alt="/b" longdesc=/c />', '<img src="/p/a" alt="/b" longdesc=/p/c />'],
  ['relative ones stay', '<a href="x">', '<a href="x">'],
  ['text stays', '1 < 2 <a>/x</a> href="/y"', '1 < 2 <a>/x</a> href="/y"'],
  ['comments stay', '<!-- <a href="/x"> --><a href="/y">', '<!-- <a href="/x"> --><a href="/p/y">'],
  [
    'scripts stay but for where they come from',
    '<script src="/s.js">"<a href=/x>"</script><a href="/y">',
    '<script src="/p/s.js">"<a href=/x>"</script><a href="/p/y">',
  ],
  ['attributes without a value', '<input disabled src="/x" required>', '<input disabled src="/p/x" required>'],
  ['an attribute with > in its value', '<a title="a > b" href="/x">', '<a title="a > b" href="/p/x">'],
  ['what does not end', '<a href="/x', '<a href="/x'],
  ['other elements', '<p href="/x">', '<p href="/x">'],
];
for (const [name, html, expected] of cases) test(name, () => assert.equal(rewriteLinks(html, behind), expected));

test('broken pages take no longer than whole ones', () => {
  for (const text of ['<a "', '<a href="', '<!--', '<script>', '</', '<a = = ', "<a x='"]) {
    const html = text.repeat(200_000 / text.length);
    const began = process.cpuUsage();
    rewriteLinks(html, behind);
    const { user } = process.cpuUsage(began);
    assert.ok(user < 2_000_000, `${text}: ${user} µs`);
  }
});
