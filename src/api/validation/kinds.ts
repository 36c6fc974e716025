/** `group/Kind` to its own rules. */
import type { Problems } from './problems.ts';

type CreateCheck = (problems: Problems, object: never) => void;
type UpdateCheck = (problems: Problems, object: never, old: never) => void;

export const CREATE_CHECKS: Readonly<Record<string, CreateCheck>> = {};
export const UPDATE_CHECKS: Readonly<Record<string, UpdateCheck>> = {};
