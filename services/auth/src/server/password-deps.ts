import type { Config } from "../config/config.ts";
import type { PasswordDeps } from "../domain/user/new-password.ts";
import { isCommonPassword } from "../lib/common-passwords.ts";

/** What the use cases that set a password depend on, apart from the stores. */
export function passwordDeps({
  passwordMinLength,
}: Pick<Config, "passwordMinLength">): Pick<PasswordDeps, "passwordPolicy"> {
  return { passwordPolicy: { minLength: passwordMinLength, isCommon: isCommonPassword } };
}
