import { parse } from 'yaml';
import { errorMessage } from '../lib/errors.ts';

/** What is wrong with a configuration file of the server; the message names the field: `rules[0].level: Unsupported value: "All": …`. */
export class ConfigFileError extends Error {
  override readonly name = 'ConfigFileError';
}

/** A document (YAML or JSON) of the kind and one of the API versions. Throws ConfigFileError. */
export function readConfigFile(text: string, kind: string, apiVersions: readonly string[]): ConfigFields {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new ConfigFileError(errorMessage(error), { cause: error });
  }
  const fields = new ConfigFields(value, '');
  const apiVersion = fields.text('apiVersion');
  if (!apiVersions.includes(apiVersion)) throw fields.unsupported('apiVersion', apiVersion, apiVersions);
  if (fields.text('kind') !== kind) throw fields.unsupported('kind', fields.text('kind'), [kind]);
  return fields;
}

/** One mapping of a configuration file. What has the wrong type is refused with its path, as are fields that nobody knows. */
export class ConfigFields {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ConfigFileError(`${path || 'the document'}: Invalid value: must be a mapping`);
    this.#value = value as Record<string, unknown>;
    this.#path = path;
  }

  /** `resources[0].providers`, for messages; the mapping itself for ''. */
  at(field: string): string {
    return this.#path === '' || field === '' ? this.#path + field : `${this.#path}.${field}`;
  }

  /** Throws for fields that are not among these. */
  only(...known: readonly string[]): void {
    for (const field of Object.keys(this.#value)) if (!known.includes(field)) throw new ConfigFileError(`${this.at(field)}: unknown field`);
  }

  has(field: string): boolean {
    return this.#value[field] !== undefined && this.#value[field] !== null;
  }

  /** Empty when it is not given. */
  text(field: string): string {
    return this.#typed(field, 'string', '');
  }

  flag(field: string): boolean | undefined {
    return this.#typed<boolean | undefined>(field, 'boolean', undefined);
  }

  /** Empty when it is not given. */
  texts(field: string): readonly string[] {
    return this.#items(field).map((item, index) => {
      if (typeof item !== 'string') throw new ConfigFileError(`${this.at(field)}[${index}]: Invalid value: must be a text`);
      return item;
    });
  }

  /** Empty when it is not given. */
  list(field: string): readonly ConfigFields[] {
    return this.#items(field).map((item, index) => new ConfigFields(item, `${this.at(field)}[${index}]`));
  }

  fields(field: string): ConfigFields {
    return new ConfigFields(this.#value[field], this.at(field));
  }

  names(): readonly string[] {
    return Object.keys(this.#value);
  }

  required(field: string, why = ''): ConfigFileError {
    return new ConfigFileError(`${this.at(field)}: Required value${why === '' ? '' : `: ${why}`}`);
  }

  invalid(field: string, why: string): ConfigFileError {
    return new ConfigFileError(`${this.at(field)}: Invalid value: ${why}`);
  }

  unsupported(field: string, given: string, supported: readonly string[]): ConfigFileError {
    const list = supported.map((value) => JSON.stringify(value)).join(', ');
    return new ConfigFileError(`${this.at(field)}: Unsupported value: ${JSON.stringify(given)}: supported values: ${list}`);
  }

  #typed<T>(field: string, type: 'string' | 'boolean', absent: T): T {
    const value = this.#value[field];
    if (value === undefined || value === null) return absent;
    if (typeof value !== type)
      throw new ConfigFileError(`${this.at(field)}: Invalid value: must be a ${type === 'string' ? 'text' : type}`);
    return value as T;
  }

  #items(field: string): readonly unknown[] {
    const value = this.#value[field];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw new ConfigFileError(`${this.at(field)}: Invalid value: must be a list`);
    return value;
  }
}
