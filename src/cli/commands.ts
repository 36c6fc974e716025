import type { Command } from './command.ts';
import { addons } from './commands/addons.ts';
import { completion } from './commands/completion.ts';
import { dashboard } from './commands/dashboard.ts';
import { image } from './commands/image.ts';
import { ip } from './commands/ip.ts';
import { logs } from './commands/logs.ts';
import { profile } from './commands/profile.ts';
import { remove } from './commands/delete.ts';
import { service } from './commands/service.ts';
import { start } from './commands/start.ts';
import { status } from './commands/status.ts';
import { stop } from './commands/stop.ts';
import { version } from './commands/version.ts';

/** Every command, in the order of the help page. `kubectl` stands apart in parse.ts: what follows it is not ours to parse. */
export const COMMANDS = [
  start,
  stop,
  remove,
  status,
  service,
  dashboard,
  addons,
  image,
  logs,
  ip,
  profile,
  version,
  completion,
] as unknown as readonly Command<object>[];
