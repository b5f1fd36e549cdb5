import { connectNodeAdapter } from "@connectrpc/connect-node";
import express from "express";
import fastify from "fastify";
import { registerEcho } from "../connect/echo.fixture.ts";
import * as connectGuards from "../connect/index.ts";
import * as expressGuards from "../express/index.ts";
import * as fastifyGuards from "../fastify/index.ts";
import { ask, listen } from "./listening.fixture.ts";
import { twoSides } from "./two-sides.fixture.ts";

/**
 * What a site guards: `required` and `optional` authentication, `scoped` (authentication and the scopes `orders.read` and
 * `orders.all`), `scopeOnly` (the scope `orders.read` without a guard before it), `broken` (a verifier that fails).
 */
export type Route = "required" | "optional" | "scoped" | "scopeOnly" | "broken";

/** A service with each kind of guard. */
export interface GuardedSite extends AsyncDisposable {
  readonly issuer: Awaited<ReturnType<typeof twoSides>>["issuer"];
  readonly verifier: Awaited<ReturnType<typeof twoSides>>["verifier"];
  /** The callers that the handlers saw; `undefined` for none. */
  readonly handled: (string | undefined)[];
  /**
   * Calls a route with these header lines.
   * @param query appended to its path
   */
  call(route: Route, lines: readonly string[], query?: string): Promise<SiteAnswer>;
}

export interface SiteAnswer {
  readonly status: number;
  readonly challenge: string | undefined;
  /** The whole answer, with its head. */
  readonly text: string;
}

type Serve = (
  sides: Awaited<ReturnType<typeof twoSides>>,
  handled: (string | undefined)[],
) => Promise<Served>;

interface Served extends AsyncDisposable {
  readonly url: string;
  /** The body of a call; absent: GET. */
  readonly json?: string;
  readonly pathOf: (route: Route) => string;
}

const scopes = ["orders.read", "orders.all"];
const broken = { verify: () => Promise.reject(new Error("a fault inside")) };

export const siteKinds: Readonly<Record<"connect" | "express" | "fastify", () => Promise<GuardedSite>>> = {
  connect: () => openSite(serveConnect),
  express: () => openSite(serveExpress),
  fastify: () => openSite(serveFastify),
};

async function openSite(serve: Serve): Promise<GuardedSite> {
  const sides = await twoSides();
  const handled: (string | undefined)[] = [];
  const { url, json, pathOf, [Symbol.asyncDispose]: close } = await serve(sides, handled);
  return {
    issuer: sides.issuer,
    verifier: sides.verifier,
    handled,
    async call(route, lines, query = "") {
      const text = await ask(url, pathOf(route) + query, { lines, ...(json === undefined ? {} : { json }) });
      const challenge = /^www-authenticate: (.*?)\r?$/im.exec(text)?.[1];
      return { status: Number(text.split(" ", 2)[1]), challenge, text };
    },
    async [Symbol.asyncDispose]() {
      await close();
      await sides[Symbol.asyncDispose]();
    },
  };
}

const serveExpress: Serve = async ({ verifier }, handled) => {
  const { optionalAuth, requireAuth, requireScope } = expressGuards;
  const app = express();
  const handle: express.RequestHandler = (request, response) => {
    handled.push(request.caller?.subject);
    response.json({});
  };
  app.get("/required", requireAuth(verifier), handle);
  app.get("/optional", optionalAuth(verifier), handle);
  app.get("/scoped", requireAuth(verifier), requireScope(...scopes), handle);
  app.get("/scopeOnly", requireScope("orders.read"), handle);
  app.get("/broken", requireAuth(broken), handle);
  // Express logs errors that no handler takes.
  app.use(
    ((_error, _request, response, _next) => void response.sendStatus(500)) as express.ErrorRequestHandler,
  );
  const server = await listen(app);
  return { ...server, pathOf: (route) => `/${route}` };
};

const serveFastify: Serve = async ({ verifier }, handled) => {
  const { optionalAuth, requireAuth, requireScope } = fastifyGuards;
  const app = fastify();
  const handle = async ({ caller }: { caller: { subject: string } | undefined }) => {
    handled.push(caller?.subject);
    return {};
  };
  app.register(async (below) => {
    await below.register(requireAuth(verifier));
    below.get("/required", handle);
    below.get("/scoped", { onRequest: requireScope(...scopes) }, handle);
  });
  app.register(async (below) => {
    await below.register(optionalAuth(verifier));
    below.get("/optional", handle);
  });
  app.register(async (below) => {
    await below.register(requireAuth(broken));
    below.get("/broken", handle);
  });
  app.get("/scopeOnly", { onRequest: requireScope("orders.read") }, handle);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return { url, pathOf: (route) => `/${route}`, [Symbol.asyncDispose]: () => app.close() };
};

/** Each route has its own server, because a gate belongs to an adapter. */
const serveConnect: Serve = async ({ verifier }, handled) => {
  const { callerKey, optionalAuth, requireAuth, requireScope } = connectGuards;
  const gates: Readonly<Record<Route, connectGuards.RequestGate>> = {
    required: requireAuth(verifier),
    optional: optionalAuth(verifier),
    scoped: requireAuth(verifier, requireScope(...scopes)),
    scopeOnly: requireScope("orders.read"),
    broken: requireAuth(broken),
  };
  const adapters = new Map(
    Object.entries(gates).map(([route, requestGate]) => [
      route,
      connectNodeAdapter({
        requestGate,
        routes: (router) =>
          registerEcho(router, ({ values }) => {
            const subject = values.get(callerKey)?.subject;
            handled.push(subject);
            return subject ?? "guest";
          }),
      }),
    ]),
  );
  const server = await listen((request, response) => {
    const [, route = "", rest = ""] = /^\/(\w+)(\/.*)$/.exec(request.url ?? "") ?? [];
    request.url = rest;
    adapters.get(route)?.(request, response);
  });
  return { ...server, json: '"hello"', pathOf: (route) => `/${route}/test.Echo/Unary` };
};
