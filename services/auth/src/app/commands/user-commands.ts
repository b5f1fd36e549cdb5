import type { Command } from "./command.ts";
import { userCreate } from "./user-create.ts";
import { userDisable } from "./user-disable.ts";
import { userEnable } from "./user-enable.ts";
import { userGet } from "./user-get.ts";
import { userList } from "./user-list.ts";
import { userRevokeSessions } from "./user-revoke-sessions.ts";
import { userSessions } from "./user-sessions.ts";
import { userSetPassword } from "./user-set-password.ts";
import { userSetRoles } from "./user-set-roles.ts";

/** The commands of `postern user`. */
export const userCommands: readonly Command[] = [
  userCreate,
  userGet,
  userList,
  userDisable,
  userEnable,
  userSetPassword,
  userSetRoles,
  userSessions,
  userRevokeSessions,
];
