/** Collects what validation finds, in upstream's words (apimachinery's field.Error). */
import type { FieldError } from '../status.ts';

/** Which values of `field` were found wanting, and how. Paths are written out: `spec.containers[0].name`. */
export class Problems {
  /** In the order found; of very many only the first, as many as are worth reading. */
  readonly found: FieldError[] = [];
  #bytes = 0;

  required(field: string, detail = ''): void {
    this.#add(field, 'FieldValueRequired', 'Required value', detail);
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.#add(field, 'FieldValueInvalid', `Invalid value: ${this.#printed(value)}`, detail);
  }

  /** An `invalid` whose value is too large to be worth showing. */
  invalidWhole(field: string, detail: string): void {
    this.#add(field, 'FieldValueInvalid', 'Invalid value', detail);
  }

  /** One `invalid` a detail. */
  invalidEach(field: string, value: unknown, details: readonly string[]): void {
    for (const detail of details) this.invalid(field, value, detail);
  }

  forbidden(field: string, detail: string): void {
    this.#add(field, 'FieldValueForbidden', 'Forbidden', detail);
  }

  duplicate(field: string, value: unknown): void {
    this.#add(field, 'FieldValueDuplicate', `Duplicate value: ${this.#printed(value)}`, '');
  }

  notFound(field: string, value: unknown): void {
    this.#add(field, 'FieldValueNotFound', `Not found: ${this.#printed(value)}`, '');
  }

  unsupported(field: string, value: unknown, supported: readonly string[]): void {
    this.#add(
      field,
      'FieldValueNotSupported',
      `Unsupported value: ${this.#printed(value)}`,
      `supported values: ${supported.map((each) => JSON.stringify(each)).join(', ')}`,
    );
  }

  tooLong(field: string, maxBytes: number): void {
    this.#add(field, 'FieldValueTooLong', 'Too long', `may not be more than ${maxBytes} bytes`);
  }

  tooMany(field: string, actual: number, max: number): void {
    this.#add(field, 'FieldValueTooMany', `Too many: ${actual}`, `must have at most ${max} items`);
  }

  /** `value` must be one of `supported`; absent and '' count as missing. */
  oneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (!value) this.required(field);
    else if (!supported.includes(value)) this.unsupported(field, value, supported);
  }

  /** Absent is fine. */
  nonNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, NON_NEGATIVE);
  }

  immutable(field: string, same: boolean, value: unknown): void {
    if (!same) this.invalid(field, value, IMMUTABLE);
  }

  #add(field: string, type: FieldError['type'], opening: string, detail: string): void {
    if (this.#isFull) return;
    const message = detail ? `${opening}: ${detail}` : opening;
    this.#bytes += field.length + message.length;
    this.found.push({ field, type, message });
  }

  get #isFull(): boolean {
    return this.#bytes > MAX_BYTES;
  }

  #printed(value: unknown): string {
    if (this.#isFull) return '';
    return value === undefined ? 'null' : JSON.stringify(value);
  }
}

/** Much is wrong with a body of megabytes if one thing is: what is told of it is not a multiple of it. */
const MAX_BYTES = 1 << 20;

export const IMMUTABLE = 'field is immutable';
export const NON_NEGATIVE = 'must be greater than or equal to 0';
