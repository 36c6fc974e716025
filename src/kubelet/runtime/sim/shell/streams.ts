/** A command's streams and their redirection. */
import path from 'node:path';
import { EMPTY_INPUT, type Input, inputOf, NULL_OUTPUT, type Output } from '../io.ts';
import type { SimProcess } from '../process.ts';
import { expandText, type ExpansionContext } from './expand.ts';
import type { Redirect } from './syntax.ts';

export interface Streams {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Descriptors from 3 on. */
  readonly others: ReadonlyMap<number, Input | Output>;
}

/** Applies redirections in their order. Throws Error whose message names the file. */
export async function redirected(
  streams: Streams,
  redirects: readonly Redirect[],
  context: ExpansionContext & { process: SimProcess },
): Promise<Streams> {
  let result = streams;
  for (const redirect of redirects) result = withStream(result, redirect.fd, await openRedirect(redirect, result, context));
  return result;
}

async function openRedirect(
  { operator, target }: Redirect,
  streams: Streams,
  context: ExpansionContext & { process: SimProcess },
): Promise<Input | Output> {
  const text = await expandText(target, context);
  if (operator === '<<') return inputOf(text);
  if (operator === '<&' || operator === '>&') return duplicate(text, streams);
  const file = path.posix.resolve(context.cwd, text);
  try {
    return operator === '<'
      ? await openInput(file, streams, context)
      : await openOutput(file, { streams, context, append: operator === '>>' });
  } catch (error) {
    const what = operator === '<' ? 'open' : 'create';
    throw new Error(
      `can't ${what} ${text}: ${(error as Error).message === 'No such file or directory' && what === 'create' ? 'nonexistent directory' : plainReason(error)}`,
      { cause: error },
    );
  }
}

function plainReason(error: unknown): string {
  const { message } = error as Error;
  return message === 'No such file or directory' ? 'no such file' : message;
}

function duplicate(text: string, streams: Streams): Input | Output {
  if (text === '-') return NULL_OUTPUT;
  const stream = streamOf(streams, Number(text));
  if (!stream) throw new Error(`${text}: Bad file descriptor`);
  return stream;
}

async function openInput(file: string, streams: Streams, { files }: ExpansionContext): Promise<Input> {
  if (file === '/dev/null') return EMPTY_INPUT;
  if (file === '/dev/stdin') return streams.stdin;
  return inputOf(await files.read(file));
}

interface OutputRequest {
  streams: Streams;
  context: ExpansionContext & { process: SimProcess };
  append: boolean;
}

/** `/dev/stdout` and `/proc/1/fd/1` are streams: the second writes to the container's log from an exec. */
async function openOutput(file: string, { streams, context, append }: OutputRequest): Promise<Output> {
  if (file === '/dev/null') return NULL_OUTPUT;
  const device = /^\/(?:dev\/(stdout|stderr|tty|fd\/[12])|proc\/(self|\d+)\/fd\/([12]))$/.exec(file);
  if (device?.[1]) return device[1] === 'stderr' || device[1] === 'fd/2' ? streams.stderr : streams.stdout;
  if (device) {
    const owner = device[2] === 'self' ? context.process : context.process.world.processes.get(Number(device[2]));
    if (!owner) throw new Error('nonexistent directory');
    return device[3] === '2' ? owner.stderr : owner.stdout;
  }
  await context.files.write(file, '', { append });
  return fileOutput(file, context);
}

/** Writes wait for each other, so that what two commands write to one redirection stays in order. */
function fileOutput(file: string, { files }: ExpansionContext): Output {
  let last: Promise<void> = Promise.resolve();
  return {
    isTty: false,
    write(data) {
      const bytes = Buffer.from(data);
      last = last.then(() => files.write(file, bytes, { append: true }));
      return last;
    },
    end: () => undefined,
  };
}

function streamOf({ stdin, stdout, stderr, others }: Streams, fd: number): Input | Output | undefined {
  return fd === 0 ? stdin : fd === 1 ? stdout : fd === 2 ? stderr : others.get(fd);
}

function withStream(streams: Streams, fd: number, stream: Input | Output): Streams {
  if (fd === 0) return { ...streams, stdin: 'read' in stream ? stream : EMPTY_INPUT };
  if (fd === 1) return { ...streams, stdout: 'write' in stream ? stream : NULL_OUTPUT };
  if (fd === 2) return { ...streams, stderr: 'write' in stream ? stream : NULL_OUTPUT };
  return { ...streams, others: new Map(streams.others).set(fd, stream) };
}
