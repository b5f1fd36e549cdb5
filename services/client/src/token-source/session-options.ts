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

/** Options of {@link posternSession}. Set `login`, `refreshToken`, or both. */
export interface PosternSessionOptions {
  /** URL of Postern's http listener; with `httpVersion: "2"`, of its grpc listener. */
  readonly baseUrl: string;
  /** A secret token with the permission `login`. To continue a session, the token that opened it. */
  readonly token: string;
  /** Absent: `1.1`. */
  readonly httpVersion?: "1.1" | "2";
  /** How to open a session, at the start and after a session has ended. Absent: no session is opened. */
  readonly login?: LoginOptions;
  /** The refresh token of an existing session, which is used first. */
  readonly refreshToken?: string;
  /**
   * Stores each new refresh token, so that the process can continue the session after a restart; an older refresh token
   * would end it. The token is used only after this has resolved. If it throws, `token()` fails, and the next call starts
   * with it again.
   */
  readonly onRefreshToken?: (refreshToken: string) => void | Promise<void>;
}

/** How to log in. */
export interface LoginOptions {
  /** E-mail address or user name. */
  readonly identifier: string;
  readonly password: string;
  /** Absent: the name of the secret token. */
  readonly clientId?: string;
  /** Audience of the access tokens. Absent: the default audience. */
  readonly audience?: readonly string[];
  /** Scope of the access tokens. Absent: none. */
  readonly scope?: readonly string[];
  /** A label of the session, for the user's list of sessions. */
  readonly device?: string;
}

const names: OptionNames<PosternSessionOptions> = {
  baseUrl: true,
  token: true,
  httpVersion: true,
  login: true,
  refreshToken: true,
  onRefreshToken: true,
};
const namesOfLogin: OptionNames<LoginOptions> = {
  identifier: true,
  password: true,
  clientId: true,
  audience: true,
  scope: true,
  device: true,
};

/**
 * Reads the options' own members.
 * @throws {TypeError} naming the option
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
