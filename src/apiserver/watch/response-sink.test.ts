import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
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
