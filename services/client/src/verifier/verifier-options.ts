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

/** Options of {@link createVerifier}. */
export interface VerifierOptions {
  /** The `iss` of tokens, exactly. */
  readonly issuer: string;
  /** The name of your service. A token must be for it; of a list, for one of them. */
  readonly audience: string | readonly string[];
  /** URL of the key set. Absent: discovery (RFC 8414). It is not fetched while the revocation stream has the keys. */
  readonly jwksUri?: string;
  /** Where revocations come from. `false`: a token is valid until it expires, even if its session has ended. */
  readonly revocations: RevocationsOptions | false;
  /** Maximum age of the revocation data, in milliseconds. Absent, and at most: the issuer's limit of 10,000. */
  readonly maxStaleness?: number;
  /**
   * What happens while the revocation data is older than that: `introspect` calls the issuer for each token, and refuses
   * the token if the call fails; `refuse` refuses all tokens; `accept` uses the old data. Absent: `introspect`.
   */
  readonly onStale?: "introspect" | "refuse" | "accept";
  /**
   * Number of tokens in the cache of verified signatures. It can have up to twice as many, of about 2 KiB each. Absent:
   * 10,000. 0: no cache.
   */
  readonly cacheSize?: number;
  /** Receives events of the revocation stream, for logs and metrics. */
  readonly onEvent?: (event: FeedEvent) => void;
}

/** How to receive revocations. */
export interface RevocationsOptions {
  /** URL of Postern's http listener; with `httpVersion: "2"`, of its grpc listener. */
  readonly baseUrl: string;
  /** A secret token with the permission `watch`, and with `introspect` for `onStale: "introspect"`. */
  readonly token: string;
  /** Absent: `1.1`. */
  readonly httpVersion?: "1.1" | "2";
}

const names: OptionNames<VerifierOptions> = {
  issuer: true,
  audience: true,
  jwksUri: true,
  revocations: true,
  maxStaleness: true,
  onStale: true,
  cacheSize: true,
  onEvent: true,
};
const namesOfRevocations: OptionNames<RevocationsOptions> = { baseUrl: true, token: true, httpVersion: true };

/** The cache has up to twice as many entries. A `Map` of Node can hold about that many. */
const largestCache = 8_000_000;

/**
 * Reads the options' own members.
 * @throws {TypeError} naming the option
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
