import { isCommonPassword } from "../crypto/common-passwords.ts";
import type { PasswordDeps } from "../domain/user/new-password.ts";
import type { Config } from "./config.ts";
import type { Context } from "./context.ts";

/** What the use cases that check or set a password stand on. */
export function passwordDeps(
  { passwordMinLength }: Pick<Config, "passwordMinLength">,
  { passwordHasher }: Pick<Context, "passwordHasher">,
): PasswordDeps & { readonly hasher: Context["passwordHasher"] } {
  return {
    hasher: passwordHasher,
    passwordPolicy: { minLength: passwordMinLength, isCommon: isCommonPassword },
  };
}
