import { groupVersion } from '../../api/meta.ts';
import type { StreamReply } from '../contract.ts';
import type { Answer } from '../pipeline.ts';
import type { RequestAudit } from './audit.ts';

/** Notes what a request is answered with; what streams is not kept. */
export function auditedAnswer(audit: RequestAudit, answer: Answer): void {
  switch (answer.kind) {
    case 'object':
      return audit.answered(answer.view.object);
    case 'value':
      return audit.answered(answer.body);
    case 'list': {
      const { info, items, revision } = answer;
      const metadata = { resourceVersion: String(revision) };
      return audit.answered({
        kind: `${info.kind}List`,
        apiVersion: groupVersion(info),
        metadata,
        items: items.map(({ object }) => object),
      });
    }
    case 'response':
      return 'body' in answer.response ? audit.answered(answer.response.body) : undefined;
    case 'watch':
      return undefined;
  }
}

/** The end of an answer on the wire: now, or when the connection is done with it. */
export function completeWithAnswer(audit: RequestAudit, reply: StreamReply): void {
  if (reply.kind === 'upgrade') {
    const { socket } = reply;
    if (socket.destroyed) return audit.complete(101);
    audit.started(101);
    socket.once('close', () => audit.complete(101));
    return;
  }
  const { response } = reply;
  if (response.writableEnded || response.destroyed) return audit.complete(response.statusCode);
  response.once('close', () => audit.complete(response.statusCode));
}
