/** What of the API server's data is hidden, and what is written down of its requests: the two files that a user may write for it. */
import { join } from 'node:path';
import { AUDIT_LOG_LIMITS, AuditLogFile } from '../apiserver/audit/log-file.ts';
import { parseAuditPolicy } from '../apiserver/audit/policy.ts';
import { encryptionTransformer } from '../apiserver/encryption/encryption.ts';
import type { ApiServerOptions } from '../apiserver/server.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import { fromUserFile, readPem } from './config.ts';

/** Secrets encrypted in the store, with the cluster's own key unless its file was changed; an audit log where one was asked for. Throws UserFileError. */
export function dataProtection(config: NodeConfig, tools: { clock: Clock; log: Logger }): Pick<ApiServerOptions, 'transformer' | 'audit'> {
  return { ...encryption(config), ...auditing(config, tools) };
}

function encryption({ pki }: NodeConfig): Pick<ApiServerOptions, 'transformer'> {
  if (!pki.encryptionConfig) return {};
  const text = readPem(pki, 'encryptionConfig');
  return { transformer: fromUserFile(`encryption configuration ${pki.encryptionConfig}`, () => encryptionTransformer(text)) };
}

function auditing(
  { apiserver: { auditPolicy }, dataDir }: NodeConfig,
  { clock, log }: { clock: Clock; log: Logger },
): Pick<ApiServerOptions, 'audit'> {
  if (auditPolicy === undefined) return {};
  const policy = fromUserFile('audit policy', () => parseAuditPolicy(auditPolicy));
  return { audit: { policy, sink: new AuditLogFile({ path: join(dataDir, 'audit', 'audit.log'), ...AUDIT_LOG_LIMITS, clock, log }) } };
}
