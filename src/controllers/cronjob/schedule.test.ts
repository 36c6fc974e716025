import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latestDue } from './due.ts';
import { parseSchedule } from './schedule.ts';
import { timeZone } from './time-zone.ts';

const CASES: { name: string; schedule: string; zone?: string; after: string; expected: string[] }[] = [
  {
    name: 'every minute',
    schedule: '* * * * *',
    after: '2026-01-01T00:00:30Z',
    expected: ['2026-01-01T00:01:00Z', '2026-01-01T00:02:00Z'],
  },
  { name: 'steps', schedule: '*/20 9-10 * * *', after: '2026-01-01T09:20:00Z', expected: ['2026-01-01T09:40:00Z', '2026-01-01T10:00:00Z'] },
  {
    name: 'a step from a number',
    schedule: '5/30 * * * *',
    after: '2026-01-01T00:00:00Z',
    expected: ['2026-01-01T00:05:00Z', '2026-01-01T00:35:00Z'],
  },
  {
    name: 'names and lists',
    schedule: '0 0 * Feb,apr Mon',
    after: '2026-02-20T00:00:00Z',
    expected: ['2026-02-23T00:00:00Z', '2026-04-06T00:00:00Z'],
  },
  {
    name: 'either day',
    schedule: '0 0 13 * 5',
    after: '2026-01-01T00:00:00Z',
    expected: ['2026-01-02T00:00:00Z', '2026-01-09T00:00:00Z', '2026-01-13T00:00:00Z'],
  },
  { name: 'leap day', schedule: '0 0 29 2 *', after: '2026-01-01T00:00:00Z', expected: ['2028-02-29T00:00:00Z'] },
  { name: 'a descriptor', schedule: '@monthly', after: '2026-01-31T10:00:00Z', expected: ['2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z'] },
  {
    name: 'an interval',
    schedule: '@every 1h30m',
    after: '2026-01-01T00:00:00Z',
    expected: ['2026-01-01T01:30:00Z', '2026-01-01T03:00:00Z'],
  },
  { name: 'a zone', schedule: '30 8 * * *', zone: 'Asia/Kolkata', after: '2026-01-01T00:00:00Z', expected: ['2026-01-01T03:00:00Z'] },
  {
    name: 'an hour that clocks skip',
    schedule: '30 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-03-28T12:00:00Z',
    expected: ['2026-03-30T00:30:00Z'],
  },
  {
    name: 'midnight on the day of a change',
    schedule: '0 0 * * *',
    zone: 'Europe/Berlin',
    after: '2026-03-28T23:30:00Z',
    expected: ['2026-03-29T22:00:00Z'],
  },
  {
    name: 'a midnight that clocks skip',
    schedule: '0 * 6 9 *',
    zone: 'America/Santiago',
    after: '2026-09-06T00:00:00Z',
    expected: ['2026-09-06T04:00:00Z'],
  },
];

for (const { name, schedule, zone = 'UTC', after, expected } of CASES) {
  test(`the next times of ${schedule}: ${name}`, () => {
    const parsed = parseSchedule(schedule, timeZone(zone));
    let at = Date.parse(after);
    const found = expected.map(() => new Date((at = parsed.next(at)!)).toISOString().replace('.000', ''));
    assert.deepEqual(found, expected);
  });
}

const ERRORS: [schedule: string, message: RegExp][] = [
  ['', /empty spec string/],
  ['* * * *', /expected exactly 5 fields, found 4/],
  ['60 * * * *', /end of range \(60\) above maximum \(59\)/],
  ['5-1 * * * *', /beginning of range \(5\) beyond end of range \(1\)/],
  ['*/0 * * * *', /step of range should be a positive number/],
  ['x * * * *', /failed to parse int/],
  ['@sometimes', /unrecognized descriptor/],
  ['@every soon', /failed to parse duration/],
];

for (const [schedule, message] of ERRORS) {
  test(`"${schedule}" is refused`, () => {
    assert.throws(() => parseSchedule(schedule, timeZone('UTC')), message);
  });
}

test('a zone that nobody knows is refused', () => assert.throws(() => timeZone('Mars/Olympus'), RangeError));

const DUE: { name: string; schedule: string; since: string; now: string; expected: string | undefined; missed: 'none' | 'few' | 'many' }[] =
  [
    {
      name: 'nothing yet',
      schedule: '0 * * * *',
      since: '2026-01-01T00:00:00Z',
      now: '2026-01-01T00:59:59Z',
      expected: undefined,
      missed: 'none',
    },
    {
      name: 'one',
      schedule: '0 * * * *',
      since: '2026-01-01T00:00:00Z',
      now: '2026-01-01T01:00:00Z',
      expected: '2026-01-01T01:00:00Z',
      missed: 'none',
    },
    {
      name: 'several',
      schedule: '0 * * * *',
      since: '2026-01-01T00:00:00Z',
      now: '2026-01-01T05:30:00Z',
      expected: '2026-01-01T05:00:00Z',
      missed: 'few',
    },
    {
      name: 'very many',
      schedule: '* * * * *',
      since: '2020-01-01T00:00:00Z',
      now: '2026-01-01T05:30:10Z',
      expected: '2026-01-01T05:30:00Z',
      missed: 'many',
    },
    {
      name: 'uneven times',
      schedule: '0 0 1 1,2 *',
      since: '2024-01-15T00:00:00Z',
      now: '2026-01-31T00:00:00Z',
      expected: '2026-01-01T00:00:00Z',
      missed: 'few',
    },
  ];

for (const { name, schedule, since, now, expected, missed } of DUE) {
  test(`the latest time that is due: ${name}`, () => {
    const due = latestDue(parseSchedule(schedule, timeZone('UTC')), Date.parse(since), Date.parse(now));
    assert.deepEqual([due.at && new Date(due.at).toISOString().replace('.000', ''), due.missed], [expected, missed]);
  });
}
