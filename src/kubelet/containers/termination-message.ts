import { open, readFile } from 'node:fs/promises';
import { errorCode } from '../../lib/errors.ts';
import { parseLogLine } from '../logs/format.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { TERMINATION_LOG_FILE, TERMINATION_MESSAGE_POLICY } from './labels.ts';

const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

/** What an ended container has to say: its termination log, or the end of its log when it failed, wrote none and the pod asks for that. */
export async function terminationMessage(status: ContainerStatus): Promise<string> {
  const file = status.annotations[TERMINATION_LOG_FILE];
  const message = file ? await readStart(file) : '';
  if (message !== '' || status.exitCode === 0 || status.annotations[TERMINATION_MESSAGE_POLICY] !== 'FallbackToLogsOnError') return message;
  return status.logPath ? logEnd(status.logPath) : '';
}

async function readStart(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_MESSAGE_BYTES), 0, MAX_MESSAGE_BYTES, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

async function logEnd(file: string): Promise<string> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean).slice(-MAX_LOG_LINES);
    const text = lines.map((line) => parseLogLine(line)?.text ?? '').join('');
    return text.slice(-MAX_LOG_BYTES);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
