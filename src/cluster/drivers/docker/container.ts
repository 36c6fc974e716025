/** The node's container and its volume: made, found again, replaced when what is asked for changed. The volume outlives them all. */
import type Dockerode from 'dockerode';
import { errorMessage } from '../../../lib/errors.ts';
import type { Profile } from '../../profile.ts';
import { failure } from '../../reasons.ts';
import { PROFILE_LABEL, SPEC_LABEL, containerSpec } from './container-spec.ts';
import { engineCall, engineFailure, isMissing } from './engine.ts';

/** The profile's container, or undefined. Throws ENGINE_CONFLICT for a stranger's of the same name. */
export async function findContainer(docker: Dockerode, name: string): Promise<Dockerode.ContainerInspectInfo | undefined> {
  try {
    const info = await docker.getContainer(name).inspect();
    if (info.Config.Labels[PROFILE_LABEL] !== name)
      throw failure('ENGINE_CONFLICT', `the engine has a container "${name}" that is not Rockpool's`);
    return info;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw engineFailure(error, `cannot look for container ${name}`);
  }
}

/** What a call made, noted as it is made: a failure half-way must be undone too. */
export interface Made {
  container: boolean;
  volume: boolean;
}

/** Makes the volume and the container as far as they are missing; a container of another specification is replaced. */
export async function ensureContainer(docker: Dockerode, profile: Profile, env: readonly string[], made: Made): Promise<void> {
  const spec = containerSpec(profile, { env });
  made.volume = await ensureVolume(docker, profile.name);
  const existing = await findContainer(docker, profile.name);
  if (existing && existing.Config.Labels[SPEC_LABEL] === spec.Labels![SPEC_LABEL]) return;
  if (existing) await engineCall('cannot replace the node container', () => docker.getContainer(existing.Id).remove({ force: true }));
  await createContainer(docker, profile, env);
  made.container = true;
}

/** Engines refuse a capability that they do not know by name; it is left out then, and the pods that ask for it fail. */
async function createContainer(docker: Dockerode, profile: Profile, env: readonly string[]): Promise<void> {
  const dropped: string[] = [];
  for (;;) {
    try {
      await docker.createContainer(containerSpec(profile, { env, dropped }));
      return;
    } catch (error) {
      const unknown = /unknown capability: "?(?:CAP_)?([A-Z_]+)"?/i.exec(errorMessage(error))?.[1];
      if (!unknown || dropped.includes(unknown)) throw engineFailure(error, 'cannot make the node container');
      dropped.push(unknown);
    }
  }
}

async function ensureVolume(docker: Dockerode, name: string): Promise<boolean> {
  try {
    const volume = await docker.getVolume(name).inspect();
    if (volume.Labels?.[PROFILE_LABEL] !== name)
      throw failure('ENGINE_CONFLICT', `the engine has a volume "${name}" that is not Rockpool's`);
    return false;
  } catch (error) {
    if (!isMissing(error)) throw engineFailure(error, `cannot look for volume ${name}`);
  }
  await engineCall(`cannot make volume ${name}`, () => docker.createVolume({ Name: name, Labels: { [PROFILE_LABEL]: name } }));
  return true;
}

export async function removeContainer(docker: Dockerode, name: string): Promise<void> {
  const info = await findContainer(docker, name);
  if (info)
    await engineCall(`cannot remove container ${name}`, () => docker.getContainer(info.Id).remove({ force: true }).catch(ignoreMissing));
}

export async function removeVolume(docker: Dockerode, name: string): Promise<void> {
  await engineCall(`cannot remove volume ${name}`, () => docker.getVolume(name).remove().catch(ignoreMissing));
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
