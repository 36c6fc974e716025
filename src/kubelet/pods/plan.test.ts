import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Container, Pod, PodSpec } from '../../api/types.gen.ts';
import { CONTAINER_HASH, containerHash } from '../containers/labels.ts';
import type { ContainerStatus, PodSandbox } from '../runtime/runtime.ts';
import { type PlanFacts, planPod, type ProbeFindings } from './plan.ts';
import type { PodRuntime } from './pod-runtime.ts';

const one: Container = { name: 'one', image: 'busybox' };
const two: Container = { name: 'two', image: 'busybox' };
const init: Container = { name: 'init', image: 'busybox' };
const sidecar: Container = { name: 'side', image: 'busybox', restartPolicy: 'Always' };

const pod = (spec: Partial<PodSpec> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'default', uid: 'u' },
  spec: { containers: [one], restartPolicy: 'Always', ...spec },
});
const sandbox = (over: Partial<PodSandbox> = {}): PodSandbox => ({
  id: 's0', name: 'p', namespace: 'default', uid: 'u', attempt: 0, state: 'READY', createdAt: 1, labels: {}, annotations: {}, ips: ['10.0.0.1'], ...over,
}); // prettier-ignore
const container = (spec: Container, over: Partial<ContainerStatus> = {}): ContainerStatus => ({
  id: `c-${spec.name}`, sandboxId: 's0', name: spec.name, attempt: 0, state: 'RUNNING', image: '', imageRef: '', labels: {}, annotations: { [CONTAINER_HASH]: containerHash(spec) },
  createdAt: 1, startedAt: 1, finishedAt: 0, exitCode: 0, reason: '', message: '', logPath: '', ...over,
}); // prettier-ignore
const exited = (spec: Container, exitCode: number, over: Partial<ContainerStatus> = {}): ContainerStatus =>
  container(spec, { state: 'EXITED', exitCode, ...over });
const probes = (failed?: 'liveness' | 'startup', started = true): ProbeFindings => ({ failed: () => failed, started: () => started });

const resources = { resources: { requests: { cpu: '2' } } };
const larger: Container = { ...one, ...resources };
const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }];
const small: PlanFacts = { ...probes(), inForce: () => ({ requests: { cpu: '1' } }) };

interface Case {
  name: string;
  pod: Pod;
  runtime: PodRuntime;
  probes?: PlanFacts;
  expect: { createSandbox?: number; start?: string[]; stop?: string[]; resize?: string[]; finished?: boolean; killSandbox?: boolean };
}

const cases: Case[] = [
  { name: 'nothing there: a first sandbox and all containers', pod: pod({ containers: [one, two] }), runtime: { sandboxes: [], containers: [] }, expect: { createSandbox: 0, start: ['one', 'two'] } },
  { name: 'init containers first', pod: pod({ initContainers: [init] }), runtime: { sandboxes: [], containers: [] }, expect: { createSandbox: 0, start: ['init'] } },
  { name: 'a running init container holds the app back', pod: pod({ initContainers: [init] }), runtime: { sandboxes: [sandbox()], containers: [container(init)] }, expect: {} },
  { name: 'a finished init container lets the app start', pod: pod({ initContainers: [init] }), runtime: { sandboxes: [sandbox()], containers: [exited(init, 0)] }, expect: { start: ['one'] } },
  { name: 'a failed init container is tried again', pod: pod({ initContainers: [init] }), runtime: { sandboxes: [sandbox()], containers: [exited(init, 1)] }, expect: { start: ['init'] } },
  { name: 'a failed init container ends a pod that never restarts', pod: pod({ initContainers: [init], restartPolicy: 'Never' }), runtime: { sandboxes: [sandbox()], containers: [exited(init, 1)] }, expect: { finished: true } },
  { name: 'a sidecar that has started lets the next one go', pod: pod({ initContainers: [sidecar, init] }), runtime: { sandboxes: [sandbox()], containers: [container(sidecar)] }, expect: { start: ['init'] } },
  { name: 'a sidecar whose startup probe has not passed holds the rest back', pod: pod({ initContainers: [sidecar, init] }), runtime: { sandboxes: [sandbox()], containers: [container(sidecar)] }, probes: probes(undefined, false), expect: {} },
  { name: 'a sidecar that ended while the app runs is started again', pod: pod({ initContainers: [sidecar] }), runtime: { sandboxes: [sandbox()], containers: [exited(sidecar, 0), container(one)] }, expect: { start: ['side'] } },
  { name: 'all runs: nothing to do', pod: pod(), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, expect: {} },
  { name: 'restartPolicy Always restarts after success', pod: pod(), runtime: { sandboxes: [sandbox()], containers: [exited(one, 0)] }, expect: { start: ['one'] } },
  { name: 'OnFailure does not', pod: pod({ restartPolicy: 'OnFailure' }), runtime: { sandboxes: [sandbox()], containers: [exited(one, 0)] }, expect: { finished: true } },
  { name: 'OnFailure restarts only what failed', pod: pod({ containers: [one, two], restartPolicy: 'OnFailure' }), runtime: { sandboxes: [sandbox()], containers: [exited(one, 1), exited(two, 0)] }, expect: { start: ['one'] } },
  { name: 'Never waits for the others', pod: pod({ containers: [one, two], restartPolicy: 'Never' }), runtime: { sandboxes: [sandbox()], containers: [exited(one, 1), container(two)] }, expect: {} },
  { name: 'a sidecar alone does not keep the pod going', pod: pod({ initContainers: [sidecar], restartPolicy: 'Never' }), runtime: { sandboxes: [sandbox()], containers: [container(sidecar), exited(one, 0)] }, expect: { finished: true } },
  { name: 'a failed liveness probe restarts the container', pod: pod(), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, probes: probes('liveness'), expect: { stop: ['Container one failed liveness probe, will be restarted'], start: ['one'] } },
  { name: 'a failed liveness probe only stops what never restarts', pod: pod({ restartPolicy: 'Never' }), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, probes: probes('liveness'), expect: { stop: ['Container one failed liveness probe, will be restarted'] } },
  { name: 'another image means another container', pod: pod({ containers: [{ ...one, image: 'busybox:2' }] }), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, expect: { stop: ['Container one definition changed, will be restarted'], start: ['one'] } },
  { name: 'a dead sandbox is replaced with all that restarts', pod: pod({ containers: [one, two] }), runtime: { sandboxes: [sandbox({ state: 'NOTREADY', attempt: 3 })], containers: [exited(one, 0), exited(two, 137)] }, expect: { killSandbox: true, createSandbox: 4, start: ['one', 'two'] } },
  { name: 'a dead sandbox of a job keeps what succeeded', pod: pod({ containers: [one, two], restartPolicy: 'OnFailure' }), runtime: { sandboxes: [sandbox({ state: 'NOTREADY' })], containers: [exited(one, 0), exited(two, 1)] }, expect: { killSandbox: true, createSandbox: 1, start: ['two'] } },
  { name: 'a dead sandbox of a pod that is done is not replaced', pod: pod({ restartPolicy: 'Never' }), runtime: { sandboxes: [sandbox({ state: 'NOTREADY' })], containers: [exited(one, 0)] }, expect: { finished: true } },
  { name: 'init containers run again in a new sandbox', pod: pod({ initContainers: [init] }), runtime: { sandboxes: [sandbox({ id: 's1' })], containers: [exited(one, 137), exited(init, 0)] }, expect: { start: ['init'] } },
  { name: 'an ephemeral container is started once', pod: pod({ ephemeralContainers: [{ name: 'debug', image: 'busybox' }] }), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, expect: { start: ['debug'] } },
  { name: 'a rule restarts by exit code', pod: pod({ containers: [{ ...one, restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] }], restartPolicy: 'Never' }), runtime: { sandboxes: [sandbox()], containers: [exited(one, 42)] }, expect: { start: ['one'] } },
  { name: 'other resources come while it runs', pod: pod({ containers: [larger] }), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, probes: small, expect: { resize: ['one'] } },
  { name: 'or by a restart', pod: pod({ containers: [{ ...larger, resizePolicy }] }), runtime: { sandboxes: [sandbox()], containers: [container(one)] }, probes: small, expect: { stop: ['Container one resize requires restart'], start: ['one'] } },
  { name: 'also those of a sidecar', pod: pod({ initContainers: [{ ...sidecar, ...resources }] }), runtime: { sandboxes: [sandbox()], containers: [container(sidecar), container(one)] }, probes: { ...probes(), inForce: ({ name }) => (name === 'side' ? {} : undefined) }, expect: { resize: ['side'] } },
  { name: 'what does not run gets them when it starts', pod: pod({ containers: [larger] }), runtime: { sandboxes: [sandbox()], containers: [exited(one, 0)] }, probes: small, expect: { start: ['one'] } },
]; // prettier-ignore

describe('planPod', () => {
  for (const { name, pod: given, runtime, probes: findings = probes(), expect } of cases) {
    test(name, () => {
      const plan = planPod(given, runtime, findings);
      assert.deepEqual(
        {
          createSandbox: plan.createSandbox,
          start: plan.start.map((spec) => spec.name),
          stop: plan.stop.map((stop) => stop.message),
          resize: plan.resize.map(({ spec }) => spec.name),
          finished: plan.finished,
          killSandbox: plan.killSandbox,
        },
        { createSandbox: undefined, start: [], stop: [], resize: [], finished: false, killSandbox: false, ...expect },
      );
    });
  }
});
