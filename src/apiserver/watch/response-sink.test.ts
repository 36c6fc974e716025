import assert from 'node:assert/strict';
import { createServer, get, IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { connect, Socket, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ResponseSink } from './response-sink.ts';

const MIB = Buffer.alloc(1024 * 1024);

/** A response whose client reads nothing: it has no socket, so that all that is written waits. */
function stuckResponse(): ServerResponse {
  return new ServerResponse(new IncomingMessage(new Socket()));
}

test('a watcher that does not read is cut off at a bounded backlog, not counting what it began with', () => {
  const response = stuckResponse();
  const sink = new ResponseSink(response, () => response.writeHead(200));
  for (let sent = 0; sent < 30; sent++) sink.send(MIB);
  sink.begin();
  assert.ok(!response.destroyed, 'the state that it asked for may be large');
  for (let sent = 0; sent < 15; sent++) sink.send(MIB);
  assert.ok(!response.destroyed);
  for (let sent = 0; sent < 3; sent++) sink.send(MIB);
  assert.ok(response.destroyed);
});

test('nothing is written before it begins, so that an error can still be a status', () => {
  const response = stuckResponse();
  let head = 0;
  const sink = new ResponseSink(response, () => head++);
  sink.send(Buffer.from('x'));
  assert.deepEqual([head, response.headersSent], [0, false]);
  sink.begin();
  assert.equal(head, 1);
});

test('what is sent before and after it begins arrives in order, over a connection that is kept', async (t) => {
  const server = createServer((_request, response) => {
    const sink = new ResponseSink(response, () => response.writeHead(200).flushHeaders());
    sink.send(Buffer.from('early '));
    sink.begin();
    for (const word of ['one ', 'two ', 'three']) sink.send(Buffer.from(word));
    sink.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (let i = 0; i < 2; i++) {
    const [response] = (await once(get({ host: '127.0.0.1', port }), 'response')) as [IncomingMessage];
    assert.equal(await text(response), 'early one two three');
  }
  // The second of two requests that come together waits for the first answer: its batches have no socket yet.
  const socket = connect(port, '127.0.0.1');
  socket.end('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const answers = (await text(socket)).replaceAll(/\r\n(?:[0-9a-f]+\r\n)?/g, '');
  assert.equal(answers.match(/early one two three/g)?.length, 2, answers);
  // HTTP/1.0 knows no chunks.
  const old = connect(port, '127.0.0.1');
  old.write('GET / HTTP/1.0\r\n\r\n');
  assert.match(await text(old), /\r\n\r\nearly one two three$/);
});
