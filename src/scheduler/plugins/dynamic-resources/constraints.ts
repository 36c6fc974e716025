/** What all devices of a claim, or of some of its requests, must have in common or must not. */
import type { DeviceAttribute, DeviceConstraint } from '../../../api/types.gen.ts';
import type { PooledDevice } from './pools.ts';

/** One constraint while devices are tried: `add` says whether the device may join those that were added before. */
export interface ConstraintState {
  add(request: RequestName, device: PooledDevice): boolean;
  /** The last one that was added, and took part. */
  remove(request: RequestName, device: PooledDevice): void;
}

export interface RequestName {
  /** `gpu` */
  main: string;
  /** `gpu/small` for an alternative, else the same as `main`. */
  full: string;
}

export function constraintState({ requests = [], matchAttribute, distinctAttribute }: DeviceConstraint): ConstraintState {
  const attribute = matchAttribute ?? distinctAttribute!;
  const concerns = ({ main, full }: RequestName): boolean => requests.length === 0 || requests.includes(main) || requests.includes(full);
  const values: string[] = [];
  return {
    add: (request, device) => {
      if (!concerns(request)) return true;
      const value = valueOf(device, attribute);
      if (value === undefined) return false;
      if (matchAttribute === undefined ? values.includes(value) : values.length > 0 && values[0] !== value) return false;
      values.push(value);
      return true;
    },
    remove: (request) => {
      if (concerns(request)) values.pop();
    },
  };
}

/** Type and value as one text. A name without domain on a device is of its driver's domain. */
function valueOf({ device, driver }: PooledDevice, attribute: string): string | undefined {
  const attributes = device.attributes ?? {};
  const own = attribute.startsWith(`${driver}/`) ? attributes[attribute.slice(driver.length + 1)] : undefined;
  const found: DeviceAttribute | undefined = attributes[attribute] ?? own;
  return found && JSON.stringify(found);
}
