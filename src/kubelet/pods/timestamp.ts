export { microTimestamp } from '../../api/time.ts';
