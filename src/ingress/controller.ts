/** The ingress controller: Ingresses become routes of a data plane in this process, and learn the address that they are reached at. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Ingress, IngressLoadBalancerIngress } from '../api/types.gen.ts';
import { keyOf } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import { runReconciler } from '../client/loop.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { INGRESS_CLASSES, INGRESSES, SECRETS } from '../client/resources.ts';
import { abortable } from '../lib/abortable.ts';
import type { Component } from '../lib/component.ts';
import { Certificates } from './certificates.ts';
import { BackendEndpoints } from './endpoints.ts';
import { isClaimed } from './ingress-class.ts';
import { type Entrance, type Request, type Response, ReverseProxy } from './reverse-proxy.ts';
import { buildRoutes, certificateFor, type RouteTable } from './routes.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';

export interface IngressControllerOptions {
  context: ComponentContext;
  /** The class that annotations name; `nginx` unless given, as tutorials and charts have it. */
  ingressClass?: string;
  controllerName?: string;
  /** Ports of 0 take free ones (`ports` tells which). */
  listen: { hosts: readonly string[]; httpPort: number; httpsPort: number };
  /** What Ingresses get in their status: the address that clients use. */
  addresses: readonly IngressLoadBalancerIngress[];
  /** For clients that ask for a host without certificate; a self-signed one is made unless given. */
  defaultCertificate?: Certificate;
  /** Opens a connection to an endpoint where pods have no routes to them. */
  connect?: (host: string, port: number) => Socket;
}

export interface IngressController extends Component {
  readonly ports: { http: number; https: number };
}

/** `start` resolves when the caches are filled and all ports listen. */
export function createIngressController(options: IngressControllerOptions): IngressController {
  return new Controller(options);
}

const CONTROLLER_NAME = 'rockpool.dev/ingress';
const SERVER_OPTIONS = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 75_000 };

/** An offer of HTTP/2 without TLS (RFC 7540, 3.2; RFC 9113 took it away) is not taken up: the request is an ordinary one. Node.js before 24.9 does not ask. */
const shouldUpgradeCallback = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() !== 'h2c';

class Controller implements IngressController {
  readonly name = 'ingress';
  readonly #options: IngressControllerOptions;
  readonly #endpoints: BackendEndpoints;
  readonly #certificates: Certificates;
  readonly #proxy: ReverseProxy;
  readonly #status: Component;
  readonly #servers: { server: Server | Http2SecureServer; scheme: 'http' | 'https' }[] = [];
  readonly #sockets = new Set<Duplex>();
  #routes: RouteTable | undefined;

  constructor(options: IngressControllerOptions) {
    this.#options = options;
    const { client, log, rng } = options.context;
    this.#endpoints = new BackendEndpoints(client);
    this.#certificates = new Certificates({ log, secretFor: (host) => this.#secretFor(host) });
    this.#proxy = new ReverseProxy({
      log,
      rng,
      routes: () => this.#table(),
      targets: ({ backend }) => this.#endpoints.targets(backend),
      httpsPort: () => options.listen.httpsPort || this.ports.https,
      ...(options.connect ? { connect: options.connect } : {}),
    });
    this.#status = this.#statusLoop();
  }

  get ports(): { http: number; https: number } {
    const portOf = (scheme: string): number => {
      const address = this.#servers.find((each) => each.scheme === scheme)?.server.address();
      return typeof address === 'object' && address ? address.port : 0;
    };
    return { http: portOf('http'), https: portOf('https') };
  }

  async start(signal: AbortSignal): Promise<void> {
    const { context, defaultCertificate } = this.#options;
    const { client, clock } = context;
    const [certificate] = await Promise.all([
      defaultCertificate ?? selfSignedCertificate(clock.now()),
      abortable(Promise.all([client.informer(SECRETS).start(), this.#endpoints.start()]), signal),
      this.#status.start(signal),
    ]);
    this.#certificates.setDefault(certificate);
    await this.#listen(certificate);
  }

  async stop(): Promise<void> {
    const closing = this.#servers.splice(0).map(({ server }) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.#sockets) socket.destroy();
    this.#proxy.close();
    await Promise.all([...closing, this.#status.stop()]);
  }

  async #listen(certificate: Certificate): Promise<void> {
    const { hosts, httpPort, httpsPort } = this.#options.listen;
    for (const host of hosts) {
      const http = createServer({ ...SERVER_OPTIONS, shouldUpgradeCallback });
      const https = createSecureServer({
        ...certificate,
        ...SERVER_OPTIONS,
        allowHTTP1: true,
        SNICallback: (name, done) => done(null, this.#certificates.contextFor(name)),
      });
      await this.#open(http, { host, port: httpPort, scheme: 'http' });
      await this.#open(https, { host, port: httpsPort, scheme: 'https' });
    }
  }

  async #open(
    server: Server | Http2SecureServer,
    { host, port, scheme }: { host: string; port: number; scheme: 'http' | 'https' },
  ): Promise<void> {
    const entrance = (): Entrance => ({ scheme, port: port || this.ports[scheme] });
    const onRequest = (request: Request, response: Response): void => this.#proxy.handle(request, response, entrance());
    // The two servers type the same event differently.
    (server as Server).on('request', onRequest as (request: IncomingMessage, response: ServerResponse) => void);
    (server as Server).on('upgrade', (request, socket, head) => this.#proxy.upgrade(request, socket, head, entrance()));
    for (const event of ['connection', 'secureConnection']) server.on(event, (socket: Duplex) => this.#track(socket));
    server.on('tlsClientError', (error: Error) => this.#options.context.log.debug('a TLS handshake failed', { error: error.message }));
    server.listen(port, host);
    await once(server, 'listening');
    this.#servers.push({ server, scheme });
  }

  #track(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A client that cuts its connection is no failure of ours; its requests learn of it by their own events.
    socket.on('error', () => socket.destroy());
  }

  /** Built when it is first needed after a change, so a burst of changes builds it once. */
  #table(): RouteTable {
    this.#routes ??= buildRoutes(
      this.#options.context.client
        .informer(INGRESSES)
        .list()
        .filter((ingress) => this.#claims(ingress)),
    );
    return this.#routes;
  }

  #secretFor(host: string) {
    const key = certificateFor(this.#table(), host);
    return key === undefined ? undefined : this.#options.context.client.informer(SECRETS).get(key);
  }

  #claims(ingress: Ingress): boolean {
    const { context, ingressClass = 'nginx', controllerName = CONTROLLER_NAME } = this.#options;
    return isClaimed(ingress, context.client.informer(INGRESS_CLASSES).list(), { ingressClass, controllerName });
  }

  /** Keeps the routes current and publishes our address in the status of what is ours. */
  #statusLoop(): Component {
    const { context, addresses } = this.#options;
    const { client, events } = context;
    const ingresses = client.informer(INGRESSES);
    const classes = client.informer(INGRESS_CLASSES);
    /** What each Ingress of ours looked like when its event was written. */
    const announced = new Map<string, string>();
    return runReconciler(context, {
      name: 'ingress',
      setup: (queue) => {
        const changed = (ingress: Ingress): void => {
          this.#routes = undefined;
          queue.add(keyOf(ingress));
        };
        const all = (): void => {
          this.#routes = undefined;
          for (const ingress of ingresses.list()) queue.add(keyOf(ingress));
        };
        ingresses.subscribe({ added: changed, updated: changed, deleted: changed });
        classes.subscribe({ added: all, updated: all, deleted: all });
      },
      reconcile: async (key) => {
        const ingress = ingresses.get(key);
        if (!ingress || ingress.metadata.deletionTimestamp || !this.#claims(ingress)) return void announced.delete(key);
        const version = `${ingress.metadata.uid} ${ingress.metadata.generation} ${JSON.stringify(ingress.metadata.annotations)}`;
        if (announced.get(key) !== version) events.event(ingress, 'Normal', 'Sync', 'Scheduled for sync');
        announced.set(key, version);
        const published = ingress.status?.loadBalancer?.ingress ?? [];
        const same =
          published.length === addresses.length &&
          published.every(({ ip, hostname }, index) => ip === addresses[index]!.ip && hostname === addresses[index]!.hostname);
        if (same) return;
        const { namespace, name } = ingress.metadata;
        try {
          await client.resource(INGRESSES, namespace).patch(name!, 'merge', { status: { loadBalancer: { ingress: addresses } } }, 'status');
        } catch (error) {
          if (!StatusError.is(error, 'NotFound')) throw error;
        }
      },
    });
  }
}
