import type { Embedded } from "../embedded/embedded.ts";
import type { Server } from "../server.ts";

/** What someone who tries Postern out needs: the administrator (once), the secret token, a call to paste. */
export async function tryOutLines(
  { urls, context, madeAdmin }: Server,
  { secrets }: Embedded,
): Promise<string[]> {
  const { adminEmail, adminPassword, secretToken } = secrets;
  const user = await context.users.readForLogin({ emailKey: adminEmail });
  const valid = await context.passwordHasher.verify(
    adminPassword,
    user?.passwordHash,
    AbortSignal.timeout(10_000),
  );
  // An administrator whose password was changed since cannot be logged in by the one that we know.
  const [method, message] = valid
    ? ["postern.auth.v1.AuthService/Login", { identifier: adminEmail, password: adminPassword }]
    : ["postern.admin.v1.AdminService/ListUsers", {}];
  return [
    ...(madeAdmin ? [`admin ${adminEmail} ${adminPassword}`] : []),
    `token ${secretToken}`,
    [
      `curl -sS ${urls.http}/${method}`,
      "-H 'content-type: application/json'",
      `-H 'authorization: Bearer ${secretToken}'`,
      `-d '${JSON.stringify(message)}'`,
    ].join(" "),
  ];
}
