import { isCommonPassword } from "../crypto/common-passwords.ts";
import type { PasswordDeps } from "../domain/user/new-password.ts";
import type { Config } from "./config.ts";

/** What the use cases that set a password stand on beside the context. */
export function passwordDeps({
  passwordMinLength,
}: Pick<Config, "passwordMinLength">): Pick<PasswordDeps, "passwordPolicy"> {
  return { passwordPolicy: { minLength: passwordMinLength, isCommon: isCommonPassword } };
}
