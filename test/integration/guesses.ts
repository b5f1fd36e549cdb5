import type { Clients } from "../support/clients.ts";
import { answered, PASSWORD, refusal, tally } from "./two-servers.ts";

/** A login; with the right password unless it says otherwise. */
export interface Guess {
  readonly identifier: string;
  readonly password?: string;
  readonly clientAddress?: string;
  readonly deviceToken?: string;
}

export const WRONG = "another orchard, another bridge";

/** Settings of a server by which nothing but what a test names is limited. */
export function limitedTo(limits: string): { readonly POSTERN_LOGIN_LIMITS: string } {
  const named = new Set(limits.split(",").map((entry) => entry.split("=")[0]));
  const off = ["account", "account_all", "address", "total"].filter((name) => !named.has(name));
  return { POSTERN_LOGIN_LIMITS: [limits, ...off.map((name) => `${name}=off`)].filter(Boolean).join(",") };
}

/** What a login comes to: `answered`, or the reason of its refusal. Asks again where the server has not decided. */
export async function verdict(auth: Clients["auth"], guess: Guess): Promise<string> {
  return refusal(answered(() => auth.login({ password: PASSWORD, ...guess })));
}

/** Guesses wrong, so many times, one after the other. @returns how often what came of it */
export async function guessWrong(
  auth: Clients["auth"],
  guess: Guess,
  times: number,
): Promise<Record<string, number>> {
  const verdicts: string[] = [];
  for (let time = 0; time < times; time++) verdicts.push(await verdict(auth, { password: WRONG, ...guess }));
  return tally(verdicts);
}

/** Logs in with the right password. @returns the token by which this device is known from now on */
export async function knownDevice(auth: Clients["auth"], guess: Guess): Promise<string> {
  const { outcome } = await answered(() => auth.login({ password: PASSWORD, ...guess }));
  const { deviceToken = "" } = outcome.value ?? {};
  if (deviceToken === "") throw new Error("no device token came back");
  return deviceToken;
}

let hosts = 0;
/** An IPv4 address that nobody has logged in from (of RFC 2544's range). */
export function newAddress(): string {
  hosts += 1;
  return `198.18.${hosts >> 8}.${hosts & 0xff}`;
}
