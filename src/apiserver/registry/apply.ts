import { statusError } from '../../api/status.ts';
import type { WriteOptions } from './options.ts';
import type { Call, Registry, Result } from './registry.ts';

/** Server-side apply (KEP-555). */
export async function apply(_registry: Registry, _call: Call, _options: WriteOptions): Promise<Result> {
  throw statusError('UnsupportedMediaType', 'apply is not in place yet');
}
