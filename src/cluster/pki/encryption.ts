import { randomBytes } from 'node:crypto';

/** The file's name in the pki folder. */
export const ENCRYPTION_FILE = 'encryption-config.yaml';

const KEY_BYTES = 32;

/**
 * An EncryptionConfiguration with a new key: Secrets are written encrypted, and what was written in the clear before is read. A kube-apiserver
 * started with `--encryption-provider-config` and this file reads the same store.
 */
export function newEncryptionConfiguration(): string {
  return `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - secrets
    providers:
      - aesgcm:
          keys:
            - name: key1
              secret: ${randomBytes(KEY_BYTES).toString('base64')}
      - identity: {}
`;
}
