import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { PASSWORD } from "../people/people.ts";
import type { SessionSource } from "../people/session-source.ts";
import type { Revocation, Span } from "./history.ts";
import { type Answer, type LeanClient, PAST_DEADLINE } from "./lean-client.ts";
import type { LoadRecord } from "./report.ts";
import { type OpenedSession, PooledSession, type PooledToken, type PooledUser } from "./session-pool.ts";

/** One of the servers under load. */
export interface LoadServer {
  readonly name: string;
  /** The caller whose sessions they are. */
  readonly web: LeanClient;
  /** One that may revoke users. */
  readonly admin: LeanClient;
}

export interface RevokeTarget {
  readonly target: Revocation["target"];
  /** Its name in the history. */
  readonly id: string;
  /** As in the RPC's request. */
  readonly request: { readonly [field in "token" | "sessionId" | "userId"]?: string };
}

/** What became of a call: a word for success, or the reason of a refusal. */
type Outcome = string;

interface TokenSet {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** As in `3600s`. */
  readonly expiresIn: string;
}
interface IntrospectResponse {
  readonly active?: boolean;
  readonly sessionId?: string;
  readonly subject?: string;
}
interface LoginResponse {
  readonly loggedIn?: {
    readonly tokens: TokenSet;
    readonly session: { readonly id: string; readonly userId: string };
  };
}

/** What says nothing of what was asked: the server could not tell, or its answer did not come. */
const noVerdict =
  /^(UNAVAILABLE|OVERLOADED|unavailable|deadline_exceeded|HTTP 503|CLOSED|ECONN(REFUSED|RESET)|EPIPE|PAST_DEADLINE)$/;
/** Nobody listened, so nothing was done. */
export const NEVER_SENT = "ECONNREFUSED";
const refusesSession = /^(REFRESH_TOKEN_REUSED|SESSION_ENDED|INVALID_REFRESH_TOKEN)$/;
/** A client that has had no verdict waits for a moment. */
const pauseMs = 25;
/** Tokens have whole seconds, and the clocks are read at different times. */
const expirySlackMs = 2_000;
/** Of the session source's access tokens, in seconds. */
const sourceLife = 3_600;

export function isVerdict(outcome: Outcome): boolean {
  return !noVerdict.test(outcome);
}

export type LoadCalls = ReturnType<typeof createCalls>;

/** The calls of a load; each goes into its record with what its answer shows. None throws. */
export function createCalls(record: LoadRecord) {
  const { history } = record;

  async function call<Message extends object>(
    on: LoadServer,
    method: string,
    request: object,
    as: "web" | "admin" = "web",
  ): Promise<{ readonly answer: Answer<Message>; readonly span: Span }> {
    const begin = performance.now();
    const answer = await on[as].call<Message>(method, request);
    return { answer, span: { begin, end: performance.now() } };
  }

  /**
   * @param of what was asked after, for a reader
   * @param judge of an outcome that is a verdict: which list of faults it belongs to
   */
  async function settle(
    call: { readonly kind: string; readonly of: string; readonly on: LoadServer; readonly span: Span },
    outcome: Outcome,
    judge: (outcome: Outcome) => string[] | undefined,
  ): Promise<void> {
    const { kind, of, on, span } = call;
    const hasVerdict = isVerdict(outcome);
    record.finished({ kind, outcome, hasVerdict, ms: span.end - span.begin });
    const result = `${kind} of ${of} on ${on.name} at ${span.begin.toFixed(2)} ms: ${outcome}`;
    if (outcome === PAST_DEADLINE) record.pastDeadline.push(result);
    if (hasVerdict) judge(outcome)?.push(result);
    else await delay(pauseMs);
  }
  const only =
    (...right: readonly Outcome[]) =>
    (outcome: Outcome) =>
      right.includes(outcome) ? undefined : record.wrong;

  /** @param life in seconds */
  function addAccessToken(session: PooledSession, text: string, begin: number, life: number): void {
    const { name: token } = session.addAccessToken(text);
    history.push({ kind: "lapse", token, begin: begin + life * 1_000 - expirySlackMs });
  }

  function opened(user: PooledUser, found: OpenedSession, span: Span, life: number): PooledSession {
    const session = new PooledSession(user, found);
    history.push({ kind: "open", session: session.id, user: user.id, ...span });
    addAccessToken(session, found.accessToken, span.begin, life);
    return session;
  }

  return {
    /** Whether the answer was right, the history tells. */
    async introspect({ name, text, session }: PooledToken, on: LoadServer): Promise<Outcome> {
      const { answer, span } = await call<IntrospectResponse>(on, "Introspect", { token: text });
      const { active = false, ...rest } = answer.ok ? answer.message : {};
      const outcome = !answer.ok ? "unknown" : active ? "active" : "inactive";
      const of = { token: name, session: session.id, user: session.user.id };
      history.push({ kind: "introspect", ...of, ...span, outcome, on: on.name });
      const isWhole = active
        ? rest.sessionId === session.id && rest.subject === session.user.id
        : Object.keys(rest).length === 0;
      const result = !answer.ok
        ? answer.reason
        : isWhole
          ? outcome
          : `${outcome}, and more than that, or less`;
      await settle({ kind: "introspect", of: name, on, span }, result, only("active", "inactive"));
      return result;
    },

    async revoke({ target, id, request }: RevokeTarget, on: LoadServer): Promise<Outcome> {
      const as = target === "user" ? "admin" : "web";
      const { answer, span } = await call(on, "Revoke", request, as);
      const result = answer.ok ? "answered" : answer.reason;
      if (result !== NEVER_SENT) {
        const outcome = answer.ok ? "answered" : "unknown";
        history.push({ kind: "revoke", target, id, outcome, on: on.name, ...span });
      }
      await settle({ kind: `revoke ${target}`, of: id, on, span }, result, only("answered"));
      return result;
    },

    /**
     * Refreshes a session that the caller holds; `granted`, or the reason why not. Every attempt of one refresh has the same `request_id`, so that
     * a try whose answer was lost costs nothing, however long ago it was.
     * @param is what the session is known to be
     */
    async refresh(
      session: PooledSession,
      on: LoadServer,
      is: "living" | "ended" = "living",
    ): Promise<Outcome> {
      session.pendingRefresh ??= randomUUID();
      const { id, refreshToken: shown, pendingRefresh: requestId } = session;
      const request = { refreshToken: shown.text, requestId };
      const { answer, span } = await call<{ tokens?: TokenSet }>(on, "Refresh", request);
      const tokens = answer.ok ? answer.message.tokens : undefined;
      const outcome = !answer.ok ? answer.reason : tokens ? "granted" : "no tokens";
      if (tokens !== undefined) {
        const { accessToken, refreshToken, expiresIn } = tokens;
        session.pendingRefresh = undefined;
        addAccessToken(session, accessToken, span.begin, Number.parseFloat(expiresIn));
        session.replaceRefreshToken(refreshToken);
      }
      const isRotated = session.refreshToken !== shown;
      if (isRotated || (!isVerdict(outcome) && outcome !== NEVER_SENT)) {
        history.push({ kind: "lapse", token: shown.name, begin: span.begin });
      }
      if (is === "ended") {
        await settle({ kind: "refresh when ended", of: id, on, span }, outcome, only("SESSION_ENDED"));
      } else {
        const kind = isRotated ? "refresh with rotation" : "refresh";
        const judge = (reason: Outcome) =>
          refusesSession.test(reason) ? record.lost : only("granted")(reason);
        await settle({ kind, of: id, on, span }, outcome, judge);
      }
      return outcome;
    },

    /** @returns undefined where no session was opened */
    async login(user: PooledUser, on: LoadServer): Promise<PooledSession | undefined> {
      const { email: identifier, address: clientAddress } = user;
      const request = { identifier, password: PASSWORD, clientAddress, userAgent: "load" };
      const { answer, span } = await call<LoginResponse>(on, "Login", request);
      const found = answer.ok ? answer.message.loggedIn : undefined;
      const isOwn = found !== undefined && found.session.userId === user.id;
      const result = !answer.ok ? answer.reason : isOwn ? "opened" : "no session of the user";
      await settle({ kind: "login", of: user.id, on, span }, result, only("opened"));
      if (found === undefined) return undefined;
      const { tokens, session } = found;
      return opened(user, { id: session.id, ...tokens }, span, Number.parseFloat(tokens.expiresIn));
    },

    /** Opens a session past the servers; undefined where the database is away. */
    async open(user: PooledUser, source: Pick<SessionSource, "open">): Promise<PooledSession | undefined> {
      const begin = performance.now();
      try {
        const found = await source.open(user.id);
        return opened(user, found, { begin, end: performance.now() }, sourceLife);
      } catch (error) {
        record.openFault = error;
        await delay(pauseMs);
        return undefined;
      }
    },

    /** Makes an access token of a session past the servers, where it was opened past them. */
    async mint(session: PooledSession): Promise<void> {
      const begin = performance.now();
      const text = await session.mint?.();
      if (text !== undefined) addAccessToken(session, text, begin, sourceLife);
    },
  };
}
