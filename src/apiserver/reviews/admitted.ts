import { valueBody } from '../body.ts';
import type { Handler } from '../contract.ts';
import type { AdmitReview } from '../registry/review.ts';

/** The same handlers, given only what the admission plugins let through, and as these leave it. */
export function admitted(handlers: readonly Handler[], admit: AdmitReview): Handler[] {
  return handlers.map((handler) => ({
    ...handler,
    handle: async (context, body) => handler.handle(context, valueBody(await admit(context, await body.json()))),
  }));
}
