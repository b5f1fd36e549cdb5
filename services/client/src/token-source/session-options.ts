import { ownMembers } from "../core/own-members.ts";
import {
  type Faults,
  isFunction,
  isListOfTexts,
  isObject,
  isOptional,
  isText,
  type OptionNames,
  refuseFaults,
  takeOptions,
} from "../options.ts";
import { faultsOfClient } from "../rpc/postern-client.ts";

export interface PosternSessionOptions {
  /** Postern's http listener; with `httpVersion: "2"`, its grpc listener. */
  readonly baseUrl: string;
  /** A secret token with the permission `login`; of a session that is there already, the one that opened it. */
  readonly token: string;
  /** Absent: `1.1`. */
  readonly httpVersion?: "1.1" | "2";
  /** How to open a session where there is none, and when it is over. Absent: its end is the end. */
  readonly login?: LoginOptions;
  /** Of a session that is there already; shown first. */
  readonly refreshToken?: string;
  /**
   * Keeps each new refresh token, for a process that starts anew to go on with: an older one ends the session. It is
   * not used before this has resolved; if this throws, no token is given out, and the next try begins here.
   */
  readonly onRefreshToken?: (refreshToken: string) => void | Promise<void>;
}

export interface LoginOptions {
  /** E-mail address or user name. */
  readonly identifier: string;
  readonly password: string;
  /** Absent: the secret token's own name. */
  readonly clientId?: string;
  /** Who shall accept the access tokens; absent: the default audience. */
  readonly audience?: readonly string[];
  /** What the access tokens shall allow; absent: nothing. */
  readonly scope?: readonly string[];
  /** A label for the session, to be shown to the user. */
  readonly device?: string;
}

const names: OptionNames<PosternSessionOptions> = {
  ...{ baseUrl: true, token: true, httpVersion: true, login: true, refreshToken: true, onRefreshToken: true },
};
const namesOfLogin: OptionNames<LoginOptions> = {
  ...{ identifier: true, password: true, clientId: true, audience: true, scope: true, device: true },
};

/**
 * Reads the options' own members.
 * @throws {TypeError} that names the option
 */
export function readOptions(given: PosternSessionOptions): PosternSessionOptions {
  if (!isObject(given)) throw new TypeError("the options must be an object");
  const options = takeOptions(given, names);
  const { login, refreshToken, onRefreshToken } = options;
  refuseFaults({
    ...faultsOfClient(options),
    "set `login`, `refreshToken`, or both": login === undefined && !refreshToken,
    "`refreshToken` must be a refresh token of Postern: letters, digits and `_`":
      Boolean(refreshToken) && !(typeof refreshToken === "string" && /^\w+$/.test(refreshToken)),
    "`onRefreshToken` must be a function": !isOptional(onRefreshToken, isFunction),
    "`login` must be an object": !isOptional(login, isObject),
  });
  if (login === undefined) return options;
  const own = takeOptions(login, namesOfLogin, "login.");
  refuseFaults(faultsOfLogin(own));
  return ownMembers({ ...options, login: own });
}

function faultsOfLogin({ identifier, password, clientId, audience, scope, device }: LoginOptions): Faults {
  return {
    "`login.identifier` must be an e-mail address or a user name": !isText(identifier),
    "`login.password` must be a non-empty string": !isText(password),
    "`login.clientId` must be a non-empty string": !isOptional(clientId, isText),
    "`login.audience` must be a list of non-empty strings": !isOptional(audience, isListOfTexts),
    "`login.scope` must be a list of non-empty strings": !isOptional(scope, isListOfTexts),
    "`login.device` must be a string": !isOptional(device, (value) => typeof value === "string"),
  };
}
