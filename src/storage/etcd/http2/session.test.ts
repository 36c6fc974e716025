import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, constants } from 'node:http2';
import { connect, createServer as createSocketServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Flag, frameHead, FrameType, settingsFrame } from './frame.ts';
import { encodeHeaders, type HeaderFields } from './hpack.ts';
import { Http2Session, type ClientStream, type StreamError } from './session.ts';

const timeout = 10_000;
const REQUEST = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'localhost'],
  [':path', '/etcdserverpb.KV/Txn'],
  ['te', 'trailers'],
]);
/** Everything that a header may hold: its Huffman codes are of every length that text has. */
const VISIBLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('');

test('headers and trailers arrive as node:http2 compressed them', { timeout }, async (t) => {
  const { session } = await withServer(t, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '9', 'grpc-message': VISIBLE }));
    stream.end('body');
  });
  const { headers, body } = await answer(session, Buffer.from('x'));
  assert.equal(headers[0]!.get(':status'), '200');
  assert.equal(headers[0]!.get('content-type'), 'application/grpc');
  assert.equal(headers[1]!.get('grpc-status'), '9');
  assert.equal(headers[1]!.get('grpc-message'), VISIBLE);
  assert.equal(body.toString(), 'body');
});

test('bodies larger than every window go both ways, side by side', { timeout }, async (t) => {
  const { session } = await withServer(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const bodies = [1, 2, 3].map((seed) => Buffer.alloc(3_000_000, seed));
  const answers = await Promise.all(bodies.map((body) => answer(session, body)));
  for (const [index, { body }] of answers.entries()) assert.ok(body.equals(bodies[index]!), `body ${index} came back changed`);
});

test('requests beyond what the server takes at once wait for their turn', { timeout }, async (t) => {
  let open = 0;
  let most = 0;
  const serve = (stream: ServerHttp2Stream): void => {
    most = Math.max(most, ++open);
    setImmediate(() => {
      open--;
      stream.respond({ ':status': 200 });
      stream.end();
    });
  };
  const { session } = await withServer(t, serve, { settings: { maxConcurrentStreams: 2 } });
  await answer(session, Buffer.from('the settings are known after this'));
  await Promise.all(Array.from({ length: 20 }, (_, i) => answer(session, Buffer.from(`${i}`))));
  assert.ok(most <= 2, `${most} at once`);
});

test('a refused stream was never seen; another reset may have been', { timeout }, async (t) => {
  const { session } = await withServer(t, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
  const other = await withServer(t, (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  await assert.rejects(answer(session, Buffer.from('x')), { name: 'StreamError', neverSeen: true });
  await assert.rejects(answer(other.session, Buffer.from('x')), { name: 'StreamError', neverSeen: false });
});

test('a server that goes away ends what is open and gets nothing new', { timeout }, async (t) => {
  const going = Promise.withResolvers<void>();
  const { session, events } = await withServer(t, (stream) => {
    stream.session!.goaway(constants.NGHTTP2_NO_ERROR, stream.id);
    stream.respond({ ':status': 200 });
    void going.promise.then(() => stream.end('late'));
  });
  const answered = answer(session, Buffer.from('x'));
  await events.goingAway;
  assert.equal(session.usable, false);
  going.resolve();
  assert.equal((await answered).body.toString(), 'late');
  assert.equal(await events.closed, undefined);
});

test('a connection whose numbers are used up gets nothing new and ends by itself', { timeout }, async (t) => {
  const server = createServer((_request, response) => response.end('x'));
  const { session, events } = watched(await connected(t, server), { lastStream: 3 });
  assert.equal((await answer(session, Buffer.from('1'))).body.toString(), 'x');
  assert.equal(session.usable, true);
  const last = answer(session, Buffer.from('2'));
  assert.equal(session.usable, false);
  await events.goingAway;
  assert.equal((await last).body.toString(), 'x');
  assert.equal(await events.closed, undefined);
});

test('a lost connection ends every stream', { timeout }, async (t) => {
  const { session, events } = await withServer(t, (stream) => stream.session!.socket.destroy());
  await assert.rejects(answer(session, Buffer.from('x')), { name: 'StreamError', neverSeen: false });
  await events.closed;
  assert.equal(session.usable, false);
});

test('a request that was not handed to the socket was never seen', { timeout }, async (t) => {
  const { session } = await withServer(t, () => assert.fail('it was sent'));
  const answered = answer(session, Buffer.from('x'));
  session.destroy(new Error('closed by us'));
  await assert.rejects(answered, { name: 'StreamError', neverSeen: true, message: 'closed by us' });
});

test('a cancelled stream tells nothing more, and the others go on', { timeout }, async (t) => {
  const { session, sessions } = await withServer(t, (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
    stream.write('first');
    stream.on('data', (chunk: Buffer) => chunk.toString() === 'end' && stream.end());
  });
  const began = Promise.withResolvers<void>();
  const cancelled: ClientStream = session.open(REQUEST, {
    onHeaders: () => undefined,
    onData: () => {
      cancelled.cancel();
      began.resolve();
    },
    onClose: () => assert.fail('a cancelled stream was told that it is over'),
  });
  await began.promise;
  assert.equal((await answer(session, Buffer.from('end'))).body.toString(), 'first');
  assert.equal(sessions.length, 1);
});

test('a ping is answered, and ours is', { timeout }, async (t) => {
  const { session, sessions } = await withServer(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.end();
  });
  await answer(session, Buffer.from('x'));
  const { promise, resolve } = Promise.withResolvers<void>();
  session.ping(resolve);
  await promise;
  const pinged = Promise.withResolvers<void>();
  sessions[0]!.ping((error) => (error ? pinged.reject(error) : pinged.resolve()));
  await pinged.promise;
});

test('padding, priorities and headers in pieces, from chunks that end anywhere', { timeout }, async (t) => {
  const block = encodeHeaders([
    [':status', '200'],
    ['grpc-message', 'in pieces'],
  ]);
  const bytes = Buffer.concat([
    settingsFrame([]),
    padded(FrameType.HEADERS, Flag.PRIORITY, Buffer.concat([Buffer.alloc(5), block.subarray(0, 4)])),
    frameHead(FrameType.CONTINUATION, 0, 1, 3),
    block.subarray(4, 7),
    frameHead(FrameType.CONTINUATION, Flag.END_HEADERS, 1, block.length - 7),
    block.subarray(7),
    padded(FrameType.DATA, 0, Buffer.from('bo')),
    frameHead(0x42, 0, 1, 2), // a type of frame that nobody knows
    Buffer.from('??'),
    padded(FrameType.DATA, Flag.END_STREAM, Buffer.from('dy')),
  ]);
  for (const size of [1, 7, bytes.length]) {
    const session = await withSocket(t, (socket) => {
      for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
    });
    const { headers, body } = await answer(session, Buffer.from('x'));
    assert.equal(headers[0]!.get('grpc-message'), 'in pieces');
    assert.equal(body.toString(), 'body');
  }
});

const MALFORMED: Record<string, Buffer> = {
  'a server that speaks HTTP/1.1': Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
  'a header from a table that was not asked for': Buffer.concat([
    frameHead(FrameType.HEADERS, Flag.END_HEADERS, 1, 1),
    Buffer.from([0x80 | 70]),
  ]),
  'headers that end inside a text': Buffer.concat([frameHead(FrameType.HEADERS, Flag.END_HEADERS, 1, 3), Buffer.from([0, 5, 65])]),
  'a Huffman code that ends inside a symbol': Buffer.concat([
    frameHead(FrameType.HEADERS, Flag.END_HEADERS, 1, 3),
    Buffer.from([0x08, 0x81, 0x00]),
  ]),
  'more padding than content': Buffer.concat([frameHead(FrameType.DATA, Flag.PADDED, 1, 2), Buffer.from([9, 9])]),
  'headers that go on and never began': frameHead(FrameType.CONTINUATION, Flag.END_HEADERS, 1, 0),
  'a push': frameHead(FrameType.PUSH_PROMISE, 0, 1, 0),
};
for (const [name, bytes] of Object.entries(MALFORMED)) {
  test(`${name} ends the connection with an error`, { timeout }, async (t) => {
    const session = await withSocket(t, (socket) => socket.write(bytes));
    await assert.rejects(answer(session, Buffer.from('x')), { name: 'StreamError', neverSeen: false });
    assert.equal(session.usable, false);
  });
}

function padded(type: number, flags: number, content: Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from([3]), content, Buffer.alloc(3)]);
  return Buffer.concat([frameHead(type, flags | Flag.PADDED, 1, payload.length), payload]);
}

interface Answer {
  headers: HeaderFields[];
  body: Buffer;
}

function answer(session: Http2Session, request: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: HeaderFields[] = [];
    const chunks: Buffer[] = [];
    const stream = session.open(REQUEST, {
      onHeaders: (fields) => void headers.push(fields),
      onData: (bytes) => void chunks.push(bytes),
      onClose: (error: StreamError | undefined) => (error ? reject(error) : resolve({ headers, body: Buffer.concat(chunks) })),
    });
    stream.write(request, true);
  });
}

async function withServer(
  t: TestContext,
  serve: (stream: ServerHttp2Stream) => void,
  options: Parameters<typeof createServer>[0] = {},
): Promise<{ session: Http2Session; sessions: ServerHttp2Session[]; events: ReturnType<typeof watched>['events'] }> {
  const server = createServer(options);
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    serve(stream);
  });
  const { session, events } = watched(await connected(t, server));
  t.after(() => session.destroy());
  return { session, sessions, events };
}

/** A server that sends what it is told, whatever it is asked. */
async function withSocket(t: TestContext, serve: (socket: Socket) => void): Promise<Http2Session> {
  const server = createSocketServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => serve(socket));
  });
  const { session } = watched(await connected(t, server));
  t.after(() => session.destroy());
  return session;
}

async function connected(t: TestContext, server: Http2Server | Server): Promise<Socket> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

function watched(socket: Socket, more: { lastStream?: number } = {}) {
  const goingAway = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<Error | undefined>();
  const session = new Http2Session(socket, { window: 1 << 20, onGoAway: goingAway.resolve, onClose: closed.resolve, ...more });
  return { session, events: { goingAway: goingAway.promise, closed: closed.promise } };
}
