/** Every modelled image by its repositories. A model is loaded when the first pod asks for it. */
import type { CatalogueEntry, ImageModel } from '../model.ts';

const load = (module: Promise<{ default: ImageModel }>): Promise<ImageModel> => module.then((loaded) => loaded.default);
const echo =
  (name: 'HTTP_ECHO' | 'ECHO_SERVER' | 'ECHOSERVER' | 'KICBASE' | 'WHOAMI' | 'HELLO_APP' | 'AGNHOST') => (): Promise<ImageModel> =>
    import('./echo-servers.ts').then((loaded) => loaded[name]);
const tool = (name: 'CURL' | 'DNS_TOOLS' | 'DEBIAN' | 'HELLO_WORLD') => (): Promise<ImageModel> =>
  import('./tool-images.ts').then((loaded) => loaded[name]);

/** An official image of Docker Hub, and where else it is found. */
const official = (name: string, ...others: string[]): string[] => [
  `docker.io/library/${name}`,
  `public.ecr.aws/docker/library/${name}`,
  `mirror.gcr.io/library/${name}`,
  ...others,
];

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    repositories: official('nginx', 'public.ecr.aws/nginx/nginx', 'registry.k8s.io/nginx', 'registry.k8s.io/e2e-test-images/nginx'),
    load: () => load(import('./nginx.ts')),
  },
  { repositories: official('httpd', 'registry.k8s.io/e2e-test-images/httpd'), load: () => load(import('./httpd.ts')) },
  {
    repositories: official(
      'busybox',
      'registry.k8s.io/e2e-test-images/busybox',
      'registry.k8s.io/busybox',
      'gcr.io/google_containers/busybox',
    ),
    load: () => load(import('./busybox.ts')),
  },
  { repositories: official('alpine', 'docker.io/alpine/curl'), load: () => load(import('./alpine.ts')) },
  { repositories: official('redis'), load: () => load(import('./redis.ts')) },
  { repositories: ['registry.k8s.io/pause', 'k8s.gcr.io/pause', 'docker.io/rockpool/pause'], load: () => load(import('./pause.ts')) },
  { repositories: ['registry.k8s.io/hpa-example', 'k8s.gcr.io/hpa-example'], load: () => load(import('./hpa-example.ts')) },
  { repositories: ['docker.io/hashicorp/http-echo'], load: echo('HTTP_ECHO') },
  { repositories: ['docker.io/ealen/echo-server', 'ghcr.io/ealenn/echo-server'], load: echo('ECHO_SERVER') },
  {
    repositories: [
      'registry.k8s.io/echoserver',
      'k8s.gcr.io/echoserver',
      'gcr.io/google_containers/echoserver',
      'gcr.io/k8s-minikube/echoserver',
    ],
    load: echo('ECHOSERVER'),
  },
  { repositories: ['docker.io/kicbase/echo-server'], load: echo('KICBASE') },
  { repositories: ['docker.io/traefik/whoami', 'docker.io/containous/whoami'], load: echo('WHOAMI') },
  {
    repositories: ['gcr.io/google-samples/hello-app', 'us-docker.pkg.dev/google-samples/containers/gke/hello-app'],
    load: echo('HELLO_APP'),
  },
  { repositories: ['registry.k8s.io/e2e-test-images/agnhost'], load: echo('AGNHOST') },
  { repositories: ['docker.io/curlimages/curl', 'quay.io/curl/curl'], load: tool('CURL') },
  {
    repositories: ['registry.k8s.io/e2e-test-images/jessie-dnsutils', 'docker.io/tutum/dnsutils', 'docker.io/nicolaka/netshoot'],
    load: tool('DNS_TOOLS'),
  },
  { repositories: [...official('debian'), ...official('ubuntu'), ...official('bash')], load: tool('DEBIAN') },
  { repositories: official('hello-world'), load: tool('HELLO_WORLD') },
];
