/** How much of a shared device's capacity a request consumes (KEP-5075). */
import { compareQuantities, parseQuantity, formatQuantity } from '../../../api/codec/quantity.ts';
import type { CapacityRequestPolicy, CapacityRequirements, Device } from '../../../api/types.gen.ts';

/** By capacity; undefined when the device cannot give what is asked. Devices for one at a time are asked only whether they are big enough. */
export function consumedCapacity(device: Device, requirements: CapacityRequirements | undefined): Record<string, string> | undefined {
  const requested = requirements?.requests ?? {};
  const capacity = device.capacity ?? {};
  if (Object.keys(requested).some((name) => !(name in capacity))) return undefined;
  const consumed: Record<string, string> = {};
  for (const [name, { value, requestPolicy }] of Object.entries(capacity)) {
    const amount = amountFor(requested[name], value, requestPolicy);
    if (amount === undefined || compareQuantities(amount, value) > 0) return undefined;
    consumed[name] = amount;
  }
  return consumed;
}

function amountFor(requested: string | undefined, value: string, policy: CapacityRequestPolicy | undefined): string | undefined {
  if (requested === undefined) return policy?.default ?? value;
  if (policy?.validValues?.length) return policy.validValues.find((valid) => compareQuantities(valid, requested) >= 0);
  const range = policy?.validRange;
  if (!range) return requested;
  const { min, max, step } = range;
  const least = compareQuantities(requested, min) < 0 ? min : requested;
  const amount = step ? roundedUp(least, min, step) : least;
  return max !== undefined && compareQuantities(amount, max) > 0 ? undefined : amount;
}

/** The next of min, min + step, min + 2 steps … */
function roundedUp(amount: string, min: string, step: string): string {
  const [wanted, from, by] = [parseQuantity(amount), parseQuantity(min), parseQuantity(step)];
  if (by.nanos <= 0n) return amount;
  const steps = (wanted.nanos - from.nanos + by.nanos - 1n) / by.nanos;
  return formatQuantity({ nanos: from.nanos + steps * by.nanos, format: wanted.format });
}
