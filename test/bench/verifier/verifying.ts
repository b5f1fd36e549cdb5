import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { createVerifier, type VerifierOptions } from "../../../services/client/src/index.ts";
import { AUDIENCE, ISSUER } from "../../support/servers/server-process.ts";
import type { Site } from "./site.ts";

/** So many verifications, one after another. */
export interface Round {
  readonly perSecond: number;
  /** Microseconds of processor time for one, in all threads of the process. */
  readonly cpuUs: number;
}

export interface Verifying {
  readonly name: string;
  readonly rounds: Round[];
}

export interface VerifyingReport {
  /** Tokens that were verified before. */
  readonly warm: readonly Verifying[];
  /** Tokens that the verifier has not seen before. */
  readonly cold: readonly Verifying[];
  readonly coldTokens: number;
}

type Work = (index: number) => unknown;

const rounds = 3;
const seconds = 1;
const warmTokens = 10_000;
const coldTokens = 4_000;

/** Verifies in this process, which has to have nothing else to do. */
export async function measureVerifying(site: Site): Promise<VerifyingReport> {
  const [session] = await site.openSessions(1);
  if (session === undefined) throw new Error("no session was opened");
  const tokens: string[] = [];
  for (let index = 0; index < warmTokens; index++) tokens.push(await session.mint());
  const [token = ""] = tokens;
  const jwks = (await (await fetch(`${site.server.http}/.well-known/jwks.json`)).json()) as JSONWebKeySet;
  const byJose = joseVerifier(jwks);
  const options = site.verifierOptions;
  await using one = await started(options);
  await using many = await started(options);
  const warm = new Map<string, Work>([
    ["verifier", () => one.verify(token)],
    ["jose", () => byJose(token)],
    [`verifier, ${warmTokens} tokens in turn`, (index) => many.verify(tokens[index % warmTokens] ?? "")],
  ]);
  return {
    warm: await inTurn(
      warm,
      (work) => repeat(work, warmTokens),
      (work) => repeat(work, undefined),
    ),
    cold: await measureCold(options, jwks, tokens.slice(0, coldTokens)),
    coldTokens,
  };
}

/** In a verifier that has just started no token was seen before. */
async function measureCold(
  options: VerifierOptions,
  jwks: JSONWebKeySet,
  tokens: readonly string[],
): Promise<Verifying[]> {
  const signatures = tokens.map((token) => signatureOf(token, jwks));
  const byJose = joseVerifier(jwks);
  const kinds = new Map<string, () => Promise<Round>>([
    [
      "crypto.verify",
      () =>
        repeat((index) => {
          const { data, key, signature } = signatures[index] ?? fail();
          if (!verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature)) fail();
        }, tokens.length),
    ],
    [
      "verifier",
      async () => {
        await using verifier = await started(options);
        return await repeat((index) => verifier.verify(tokens[index] ?? ""), tokens.length);
      },
    ],
    ["jose", () => repeat((index) => byJose(tokens[index] ?? ""), tokens.length)],
  ]);
  const measure = (kind: () => Promise<Round>) => kind();
  return inTurn(kinds, measure, measure);
}

/** All of them once to warm up, then in turn, so that a slow moment of the machine hits all alike. */
async function inTurn<W>(
  works: ReadonlyMap<string, W>,
  warmUp: (work: W) => Promise<unknown>,
  measure: (work: W) => Promise<Round>,
): Promise<Verifying[]> {
  const found = [...works].map(([name, work]) => ({ name, work, rounds: [] as Round[] }));
  for (const { work } of found) await warmUp(work);
  for (let round = 0; round < rounds; round++) {
    for (const one of found) one.rounds.push(await measure(one.work));
  }
  return found.map(({ name, rounds }) => ({ name, rounds }));
}

/** @param times undefined: for the duration of a round */
async function repeat(work: Work, times: number | undefined): Promise<Round> {
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  let done = 0;
  while (times === undefined ? performance.now() - startMs < 1_000 * seconds : done < times) {
    for (const end = Math.min(done + 100, times ?? Number.POSITIVE_INFINITY); done < end; done++)
      await work(done);
  }
  const tookMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (done * 1_000) / tookMs, cpuUs: (user + system) / done };
}

async function started(options: VerifierOptions) {
  const verifier = createVerifier(options);
  await verifier.ready;
  return verifier;
}

/** With the checks that Postern's documents recommend to users of jose. */
function joseVerifier(jwks: JSONWebKeySet): (token: string) => Promise<unknown> {
  const keys = createLocalJWKSet(jwks);
  const demands = { issuer: ISSUER, audience: AUDIENCE, algorithms: ["ES256"], typ: "at+jwt" };
  return (token) => jwtVerify(token, keys, demands);
}

function signatureOf(token: string, { keys }: JSONWebKeySet) {
  const [header = "", , signature = ""] = token.split(".");
  const { kid } = JSON.parse(Buffer.from(header, "base64url").toString());
  const jwk = keys.find((one) => one.kid === kid) ?? fail();
  const key: KeyObject = createPublicKey({ key: jwk, format: "jwk" });
  const data = Buffer.from(token.slice(0, token.lastIndexOf(".")));
  return { data, key, signature: Buffer.from(signature, "base64url") };
}

function fail(): never {
  throw new Error("a token is not as it should be");
}
