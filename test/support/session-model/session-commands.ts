import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Pool } from "pg";
import type { TokenSet } from "../../../services/auth/src/domain/token/mint-tokens.ts";
import { parseRefreshToken } from "../../../services/auth/src/domain/token/refresh-token.ts";
import type { ModelSession, Outcome, SessionModel } from "./session-model.ts";
import {
  acceptedGenerations,
  caller,
  outsider,
  type Replica,
  reasonOf,
  stopClock,
} from "./session-system.ts";

/** The real thing, as its clients see it: replicas to ask, and the tokens that they have given. */
export interface System {
  readonly pool: Pool;
  readonly replicas: Replica[];
  readonly openReplica: () => Promise<Replica>;
  readonly users: readonly { readonly id: string; readonly identifier: string }[];
  /** As the model numbers them: each session's id and refresh tokens, in the order of generations. */
  readonly sessions: { readonly id: string; readonly refreshTokens: string[] }[];
  /** As the model numbers them; undefined where the answer was lost. */
  readonly accessTokens: (string | undefined)[];
}

type Command = fc.AsyncCommand<SessionModel, System>;

/** A step of a history. `who` picks one of those there are. */
function command(
  name: string,
  run: (model: SessionModel, system: System) => Promise<void>,
  check: (model: Readonly<SessionModel>) => boolean = () => true,
): Command {
  return { run, check, toString: () => name };
}

/** Everything that may happen; what leads deeper into a session's life more often than what ends it. */
export function sessionCommands(): fc.Arbitrary<Command>[] {
  const user = fc.nat(1);
  const on = fc.nat(1);
  const client = fc.constantFrom("web", "app");
  const who = fc.nat(99);
  const password = fc.constantFrom("first password", "first password", "second password");
  const requestId = fc.constantFrom(undefined, "r1", "r1", "r2");
  const back = fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 3);
  const rarely = fc.integer({ min: 0, max: 7 }).map((n) => n === 0);
  const login = fc.tuple(on, user, client, password).map((args) => loginCommand(...args));
  const refresh = fc
    .record({ on, who, back, requestId, lost: fc.boolean(), foreign: rarely })
    .map(refreshCommand);
  const passGrace = fc.constantFrom(29, 30, 31, 60).map(waitCommand);
  return [
    ...[login, login, refresh, refresh, refresh, refresh, refresh, refresh, passGrace, passGrace, passGrace],
    fc.constantFrom(1, 10, 299, 300, 301, 899, 900).map(waitCommand),
    fc.tuple(on, who, fc.constantFrom("access", "refresh", "id")).map((args) => revokeOne(...args)),
    fc.tuple(on, fc.constantFrom("user", "client", "everything"), who).map((args) => revokeMany(...args)),
    fc.tuple(on, user, password).map((args) => setPasswordCommand(...args)),
    fc.tuple(on, user, fc.boolean()).map((args) => setDisabledCommand(...args)),
    on.map(restartCommand),
    on.map(lookCommand),
  ];
}

function loginCommand(on: number, user: number, client: string, password: string): Command {
  return command(`login(user ${user}, ${client}, "${password}") on ${on}`, async (model, system) => {
    const replica = at(system.replicas, on);
    const answer = replica.login(at(system.users, user).identifier, password, client);
    const tokens = await compare(answer, ({ tokens }) => tokens, model.login(user, client, password));
    if (tokens === undefined) return;
    const { sessionId } = readRefreshToken(tokens);
    system.sessions.push({ id: sessionId, refreshTokens: [tokens.refreshToken] });
    system.accessTokens.push(tokens.accessToken);
  });
}

interface RefreshStep {
  readonly on: number;
  readonly who: number;
  /** How many generations before the newest that the client has. */
  readonly back: number;
  readonly requestId: string | undefined;
  readonly lost: boolean;
  readonly foreign: boolean;
}

function refreshCommand(step: RefreshStep): Command {
  const { on, who, back, requestId, lost, foreign } = step;
  async function run(model: SessionModel, system: System): Promise<void> {
    const [session, index] = pick(model.sessions, who);
    const { refreshTokens } = at(system.sessions, index);
    const shown = Math.max(0, refreshTokens.length - 1 - back);
    const answer = at(system.replicas, on).refresh(
      at(refreshTokens, shown),
      foreign ? outsider : caller,
      requestId,
    );
    const expected = model.refresh(session, shown, { requestId, foreign });
    const tokens = await compare(answer, (set) => set, expected);
    if (tokens === undefined) return;
    system.accessTokens.push(lost ? undefined : tokens.accessToken);
    if (lost) return;
    // A successor is a function of the session: a retry gets the same one.
    const { generation } = readRefreshToken(tokens);
    strictEqual(tokens.refreshToken, refreshTokens[generation] ?? tokens.refreshToken);
    refreshTokens[generation] = tokens.refreshToken;
  }
  return command(`refresh(${JSON.stringify(step)})`, run, hasSessions);
}

function waitCommand(seconds: number): Command {
  return command(`wait(${seconds} s)`, async (model, { pool }) => {
    model.now += seconds;
    await stopClock(pool, model.now);
  });
}

function revokeOne(on: number, who: number, by: string): Command {
  async function run(model: SessionModel, system: System): Promise<void> {
    const replica = at(system.replicas, on);
    if (by === "access") {
      const [token, index] = pick(model.accessTokens, who);
      const text = system.accessTokens[index];
      if (text === undefined) return;
      token.revoked = true;
      await replica.revoke({ kind: "token", token: text });
      return;
    }
    const [session, index] = pick(model.sessions, who);
    const { id, refreshTokens } = at(system.sessions, index);
    model.revoke({ kind: "session", session });
    // Any generation ends its session: a spent one is still the session's own.
    const token = at(refreshTokens, who % refreshTokens.length);
    await replica.revoke(by === "id" ? { kind: "session", sessionId: id } : { kind: "token", token });
  }
  return command(`revoke(${by} ${who}) on ${on}`, run, hasSessions);
}

function revokeMany(on: number, kind: string, who: number): Command {
  return command(`revoke(${kind} ${who % 2}) on ${on}`, async (model, system) => {
    const replica = at(system.replicas, on);
    const [user, client] = [who % 2, who % 2 === 0 ? "web" : "app"];
    if (kind === "user") {
      model.revoke({ kind, user });
      await replica.revoke({ kind, userId: at(system.users, user).id });
    } else if (kind === "client") {
      model.revoke({ kind, client });
      await replica.revoke({ kind, clientId: client });
    } else {
      model.revoke({ kind: "everything" });
      await replica.revoke({ kind: "everything" });
    }
  });
}

function setPasswordCommand(on: number, user: number, password: string): Command {
  return command(`setPassword(user ${user}, "${password}") on ${on}`, async (model, system) => {
    model.setPassword(user, password);
    await at(system.replicas, on).setPassword(at(system.users, user).id, password);
  });
}

function setDisabledCommand(on: number, user: number, disabled: boolean): Command {
  return command(`setDisabled(user ${user}, ${disabled}) on ${on}`, async (model, system) => {
    model.setDisabled(user, disabled);
    await at(system.replicas, on).setDisabled(at(system.users, user).id, disabled);
  });
}

function restartCommand(on: number): Command {
  return command(`restart(${on})`, async (_, system) => {
    await at(system.replicas, on).close();
    system.replicas[on] = await system.openReplica();
  });
}

function lookCommand(on: number): Command {
  return command(`look() on ${on}`, (model, system) => look(model, system, on));
}

/** Every token that any client has is as active as the model says, and no session takes more than two. */
export async function look(model: SessionModel, system: System, on: number): Promise<void> {
  const replica = at(system.replicas, on);
  for (const [index, token] of model.accessTokens.entries()) {
    const text = system.accessTokens[index];
    if (text === undefined) continue;
    strictEqual(await replica.isActive(text), model.isAccessTokenActive(token), `access token ${index}`);
  }
  for (const [index, session] of model.sessions.entries()) {
    const { id, refreshTokens } = at(system.sessions, index);
    for (const [generation, text] of refreshTokens.entries()) {
      const expected = model.isRefreshTokenActive(session, generation);
      strictEqual(await replica.isActive(text), expected, `session ${index}, refresh token ${generation}`);
    }
    const accepted = await acceptedGenerations(system.pool, id);
    ok(accepted.length <= 2, `session ${index} accepts the generations ${accepted}`);
    strictEqual(accepted.length > 0, model.isAlive(session), `session ${index} lives`);
  }
}

/** @returns what was granted, where the model grants it too */
async function compare<T>(
  answer: Promise<T>,
  tokensOf: (answer: T) => TokenSet,
  expected: Outcome,
): Promise<TokenSet | undefined> {
  const tokens = await answer.then(tokensOf, reasonOf);
  const outcome = typeof tokens === "string" ? tokens : { granted: readRefreshToken(tokens).generation };
  deepStrictEqual(outcome, expected);
  return typeof tokens === "string" ? undefined : tokens;
}

function readRefreshToken({ refreshToken }: TokenSet) {
  const parsed = parseRefreshToken(refreshToken);
  ok(parsed, "a refresh token that cannot be read");
  return parsed;
}

function hasSessions({ sessions }: { readonly sessions: readonly ModelSession[] }): boolean {
  return sessions.length > 0;
}

function pick<T>(all: readonly T[], who: number): [T, number] {
  const index = who % all.length;
  return [at(all, index), index];
}

function at<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new RangeError(`no number ${index}`);
  return found;
}
