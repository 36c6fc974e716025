import { type Clock, systemClock } from '../../lib/clock.ts';

/** The browser's. */
export const clock: Clock = systemClock();
