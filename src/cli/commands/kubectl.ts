import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ClusterContext } from '../../cluster/context.ts';
import { kubeconfigFiles } from '../../cluster/kubeconfig.ts';
import { errorCode } from '../../lib/errors.ts';
import { failure } from '../../cluster/reasons.ts';
import { requireProfile } from '../../cluster/profile.ts';

/** Runs the machine's kubectl against the profile's cluster, whatever the current context is; resolves with its exit code. */
export async function runKubectl(profile: string, args: readonly string[], context: ClusterContext): Promise<number> {
  await requireProfile(context.home, profile);
  const files = kubeconfigFiles(context).join(process.platform === 'win32' ? ';' : ':');
  const child = spawn('kubectl', ['--context', profile, ...args], {
    stdio: 'inherit',
    env: { ...context.env, KUBECONFIG: files || join(context.userHome, '.kube', 'config') },
  });
  // Ctrl-C reaches kubectl by the terminal; it decides what to do, and its exit code is ours.
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      if (errorCode(error) !== 'ENOENT') return reject(error);
      reject(
        failure('HOST_TOOL_MISSING', 'kubectl was not found on this machine', {
          advice: [
            'Install it: https://kubernetes.io/docs/tasks/tools/ or `sudo apt install kubectl`, `brew install kubectl`.',
            'Any version from 1.32 to 1.37 fits.',
          ],
        }),
      );
    });
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
