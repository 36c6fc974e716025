import type { Answer } from 'dns-packet';
import type { Directive } from '../corefile.ts';
import { canonicalName, type Query } from '../message.ts';
import { fail, type PluginFactory } from '../plugin.ts';

interface Rule {
  /** The new name, or undefined where the rule does not match. */
  rewrite(name: string): string | undefined;
  /** Whether later rules see the new name too. */
  goesOn: boolean;
}

/**
 * `rewrite [continue|stop] name [exact|prefix|suffix|substring|regex] FROM TO`: asks for another name. The answer comes under the name that
 * was asked for (CoreDNS's `answer auto`), since resolvers discard any other.
 */
export const rewrite: PluginFactory = ({ directive }) => {
  const rules = [readRule(directive)];
  return {
    handler: (next) => async (query) => {
      const name = applyRules(rules, query.name);
      if (name === query.name) return next(query);
      const response = await next({ ...query, name });
      const back = (records: readonly Answer[]): Answer[] =>
        records.map((record) => (canonicalName(record.name) === name ? { ...record, name: query.name } : record));
      return { ...response, answers: back(response.answers), additionals: back(response.additionals) };
    },
  };
};

function applyRules(rules: readonly Rule[], name: Query['name']): string {
  let current = name;
  for (const rule of rules) {
    const next = rule.rewrite(current);
    if (next === undefined) continue;
    current = next;
    if (!rule.goesOn) break;
  }
  return current;
}

const MATCHERS: Record<string, (from: string, to: string) => (name: string) => string | undefined> = {
  exact: (from, to) => (name) => (name === canonicalName(from) ? canonicalName(to) : undefined),
  prefix: (from, to) => (name) => (name.startsWith(from) ? to + name.slice(from.length) : undefined),
  suffix: (from, to) => (name) =>
    name.endsWith(canonicalName(from)) ? name.slice(0, name.length - canonicalName(from).length) + canonicalName(to) : undefined,
  substring: (from, to) => (name) => (name.includes(from) ? name.replace(from, to) : undefined),
  regex: (from, to) => {
    // CoreDNS matches with the closing dot and refers to groups as {1}; patterns written for it may end in `\.?$` or `$`.
    const pattern = new RegExp(from.replace(/\\\.\$$/, '\\.?$'));
    return (name) => (pattern.test(name) ? canonicalName(name.replace(pattern, to.replaceAll(/\{(\d+)\}/g, '$$$1'))) : undefined);
  },
};

function readRule(directive: Directive): Rule {
  const args = [...directive.args];
  const goesOn = args[0] === 'continue';
  if (goesOn || args[0] === 'stop') args.shift();
  if (directive.block.length > 0) fail(directive, 'a block of rules is not supported; write the rule on one line');
  if (args.shift() !== 'name') fail(directive, 'only "rewrite name" is supported');
  const kind = args.length > 2 && Object.hasOwn(MATCHERS, args[0]!) ? args.shift()! : 'exact';
  const [from, to, ...rest] = args;
  if (from === undefined || to === undefined) fail(directive, 'needs a name and its replacement');
  if (rest.length > 0 && rest.join(' ') !== 'answer auto')
    fail(directive, `"${rest.join(' ')}" is not supported; answers are rewritten back by themselves`);
  try {
    return { rewrite: MATCHERS[kind]!(from, to), goesOn };
  } catch (error) {
    if (error instanceof SyntaxError) fail(directive, error.message);
    throw error;
  }
}
