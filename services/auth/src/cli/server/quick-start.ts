import type { Config } from "../../config/config.ts";
import type { Embedded } from "../../embedded/embedded.ts";
import type { Server } from "../../server/server.ts";

/** What a new user needs: the administrator (once), the secret token, and a command to paste. */
export async function quickStartLines(
  { urls, stores, madeAdmin }: Server,
  { secrets }: Embedded,
  bootstrap: Config["bootstrap"],
): Promise<string[]> {
  const { adminEmail: email, adminPassword: password, secretToken } = secrets;
  // The password of an administrator from the environment is not printed.
  const isOurs = bootstrap?.email === email && bootstrap.password === password;
  const user = isOurs ? await stores.users.readForLogin({ emailKey: email }) : undefined;
  // The generated password may have been changed since.
  const canLogIn =
    user !== undefined &&
    (await stores.passwordHasher.verify(password, user.passwordHash, AbortSignal.timeout(10_000)));
  const [method, message] = canLogIn
    ? ["postern.auth.v1.AuthService/Login", { identifier: email, password }]
    : ["postern.admin.v1.AdminService/ListUsers", {}];
  return [
    ...(madeAdmin && isOurs ? [`admin ${email} ${password}`] : []),
    `token ${secretToken}`,
    [
      `curl -sS ${urls.http}/${method}`,
      "-H 'content-type: application/json'",
      `-H 'authorization: Bearer ${secretToken}'`,
      `-d '${JSON.stringify(message)}'`,
    ].join(" "),
  ];
}
