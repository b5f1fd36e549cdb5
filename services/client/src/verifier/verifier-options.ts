import { ownMembers } from "../core/own-members.ts";
import {
  type Faults,
  isBaseUrl,
  isFunction,
  isHttpUrl,
  isListOfTexts,
  isObject,
  isOptional,
  isText,
  type OptionNames,
  refuseFaults,
  takeOptions,
} from "../options.ts";
import { faultsOfClient } from "../rpc/postern-client.ts";
import type { FeedEvent } from "./stream.ts";

export interface VerifierOptions {
  /** The `iss` of tokens, to the letter. */
  readonly issuer: string;
  /** Whom a token must be for: one of these. */
  readonly audience: string | readonly string[];
  /** Where the key set is; absent: found by discovery (RFC 8414). Not asked for while the feed tells the keys. */
  readonly jwksUri?: string;
  /** Where to hear of revocations; `false`: a token is valid until it expires, whatever became of its session. */
  readonly revocations: RevocationsOptions | false;
  /** How old, in milliseconds, what is known of revocations may be; at most, and absent: what the issuer says, 10 s. */
  readonly maxStaleness?: number;
  /**
   * What to do with a token while the feed is older than that: `introspect` asks the issuer about each, and refuses where
   * that fails; `refuse` refuses all; `accept` goes by what is known. Absent: `introspect`.
   */
  readonly onStale?: "introspect" | "refuse" | "accept";
  /**
   * How many tokens' signatures are remembered, and at times up to twice as many; absent: 10,000, of 2 KiB each or so; 0:
   * none.
   */
  readonly cacheSize?: number;
  /** Told what becomes of the feed, for logs and metrics; of what keeps it from starting too. Must not throw. */
  readonly onEvent?: (event: FeedEvent) => void;
}

export interface RevocationsOptions {
  /** Postern's http listener; with `httpVersion: "2"`, its grpc listener. */
  readonly baseUrl: string;
  /** A secret token with the permissions `watch` and, to ask about tokens while the feed is stale, `introspect`. */
  readonly token: string;
  /** Absent: `1.1`. */
  readonly httpVersion?: "1.1" | "2";
}

const names: OptionNames<VerifierOptions> = {
  ...{ issuer: true, audience: true, jwksUri: true, revocations: true },
  ...{ maxStaleness: true, onStale: true, cacheSize: true, onEvent: true },
};
const namesOfRevocations: OptionNames<RevocationsOptions> = { baseUrl: true, token: true, httpVersion: true };

/** The cache has up to twice as many entries. A `Map` of Node can hold about that many. */
const largestCache = 8_000_000;

/**
 * Reads the options' own members.
 * @throws {TypeError} that names the option
 */
export function readOptions(given: VerifierOptions): VerifierOptions {
  if (!isObject(given)) throw new TypeError("the options must be an object");
  const options = takeOptions(given, names);
  const { issuer, audience, jwksUri, maxStaleness = 0, onStale, cacheSize = 0, onEvent } = options;
  const faults: Faults = {
    "`issuer` must be the issuer's http or https URL, without credentials, query, fragment, or trailing slash":
      !isBaseUrl(issuer) || issuer.endsWith("/"),
    "`audience` must be a non-empty string, or a non-empty list of such strings":
      !isText(audience) && !(isListOfTexts(audience) && audience.length > 0),
    "`jwksUri` must be an http or https URL, without credentials": !isOptional(jwksUri, isHttpUrl),
    "`revocations` must be `{ baseUrl, token }`, or `false` to ignore revocations":
      options.revocations !== false && !isObject(options.revocations),
    "`maxStaleness` must be a number of milliseconds": !(
      typeof maxStaleness === "number" && maxStaleness >= 0
    ),
    '`onStale` must be "introspect", "refuse" or "accept"':
      onStale !== undefined && !["introspect", "refuse", "accept"].includes(onStale),
    [`\`cacheSize\` must be a number of tokens, at most ${largestCache}`]: !(
      Number.isSafeInteger(cacheSize) &&
      cacheSize >= 0 &&
      cacheSize <= largestCache
    ),
    "`onEvent` must be a function": !isOptional(onEvent, isFunction),
  };
  refuseFaults(faults);
  if (options.revocations === false) return options;
  const revocations = takeOptions(options.revocations, namesOfRevocations, "revocations.");
  refuseFaults(faultsOfClient(revocations, "revocations."));
  return ownMembers({ ...options, revocations });
}
