/**
 * Sets of field paths in the form that metadata.managedFields stores them (FieldsV1, KEP-555): a tree whose keys are path elements
 * (`f:name` a field, `k:{…}` an item by its keys, `v:…` a value of a set). A node is a member when it is empty or has a `.`.
 * All functions build new trees; none changes its arguments.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

type Mutable = Record<string, FieldSet>;

export const EMPTY: FieldSet = {};
const SELF = '.';

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** Whether the path that leads to this node belongs to the set, not only paths below it. */
export function isMember(node: FieldSet): boolean {
  return Object.hasOwn(node, SELF) || isEmpty(node);
}

/** A node of a path that is a member or not, with what lies below; undefined when there is nothing to say. */
export function makeNode(member: boolean, below: FieldSet): FieldSet | undefined {
  if (isEmpty(below)) return member ? EMPTY : undefined;
  return member ? { [SELF]: EMPTY, ...below } : below;
}

/** The child elements of a node, without its own mark. */
export function below(node: FieldSet): FieldSet {
  if (!Object.hasOwn(node, SELF)) return node;
  const { [SELF]: _self, ...rest } = node;
  return rest;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const result: Mutable = { ...a };
  for (const element in b) {
    const other = b[element]!;
    const own = a[element];
    result[element] = own === undefined ? other : makeNode(isMember(own) || isMember(other), union(below(own), below(other)))!;
  }
  return result;
}

/** `a` itself when it has none of the paths. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result: Mutable = {};
  let isSame = true;
  for (const element in a) {
    const own = a[element]!;
    const other = element === SELF ? undefined : b[element];
    const left = other === undefined ? own : nodeDifference(own, other);
    if (left !== own) isSame = false;
    if (left) result[element] = left;
  }
  return isSame ? a : result;
}

function nodeDifference(own: FieldSet, other: FieldSet): FieldSet | undefined {
  const member = isMember(own) && !isMember(other);
  const left = difference(own, other);
  return left === own && member === isMember(own) ? own : makeNode(member, below(left));
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result: Mutable = {};
  for (const element in a) {
    const own = a[element]!;
    const other = b[element];
    if (other === undefined) continue;
    const both = makeNode(isMember(own) && isMember(other), intersection(below(own), below(other)));
    if (both) result[element] = both;
  }
  return result;
}

/** Whether both hold the same paths, in whatever order they were written. */
export function sameSet(a: FieldSet, b: FieldSet): boolean {
  const elements = Object.keys(a);
  return (
    elements.length === Object.keys(b).length &&
    elements.every(
      (element) =>
        Object.hasOwn(b, element) && isMember(a[element]!) === isMember(b[element]!) && sameSet(below(a[element]!), below(b[element]!)),
    )
  );
}

/** Without what is below some top-level fields (`f:status`), the fields themselves included. */
export function without(set: FieldSet, elements: readonly string[]): FieldSet {
  if (!elements.some((element) => Object.hasOwn(set, element))) return set;
  const rest: Mutable = {};
  for (const element in set) if (!elements.includes(element)) rest[element] = set[element]!;
  return rest;
}

const RANKS: Readonly<Record<string, number>> = { '.': 0, f: 1, k: 2, v: 3, i: 4 };

function compareElements(a: string, b: string): number {
  if (a[0] === b[0]) return a < b ? -1 : 1;
  return RANKS[a[0]!]! - RANKS[b[0]!]!;
}

/** In place. Short lists are sorted by insertion: they are in order nearly, and `sort` copies them twice. */
function inOrder(elements: string[]): string[] {
  if (elements.length > SHORT) return elements.sort(compareElements);
  for (let end = 1; end < elements.length; end++) {
    const element = elements[end]!;
    let at = end;
    for (; at > 0 && compareElements(element, elements[at - 1]!) < 0; at--) elements[at] = elements[at - 1]!;
    elements[at] = element;
  }
  return elements;
}

const SHORT = 32;

/** In the order in which upstream writes a set: fields, then keys, then values, each by its text. */
export function sorted(set: FieldSet): FieldSet {
  const result: Mutable = {};
  for (const element of inOrder(Object.keys(set))) {
    const node = set[element]!;
    result[element] = isEmpty(node) ? EMPTY : sorted(node);
  }
  return result;
}

/** Every member as upstream prints paths: `.spec.containers[name="a"].image`. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  return Object.entries(set).flatMap(([element, node]) => {
    if (element === SELF) return [];
    const path = prefix + elementText(element);
    return [...(isMember(node) ? [path] : []), ...pathsOf(node, path)];
  });
}

function elementText(element: string): string {
  const text = element.slice(2);
  if (element.startsWith('f:')) return `.${text}`;
  if (element.startsWith('v:')) return `[=${text}]`;
  if (element.startsWith('i:')) return `[${text}]`;
  const keys = Object.entries(JSON.parse(text) as Record<string, unknown>);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
}
