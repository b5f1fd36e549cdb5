import type { Config } from "../config.ts";
import type { Context } from "../context.ts";

/** What use cases need to set a password. */
export async function passwordDeps({ passwordHasher }: Context, { passwordMinLength }: Config) {
  const { isCommonPassword } = await import("../../crypto/common-passwords.ts");
  return {
    hasher: passwordHasher,
    passwordPolicy: { minLength: passwordMinLength, isCommon: isCommonPassword },
  };
}
