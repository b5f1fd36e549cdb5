import type { Command } from "../command.ts";
import { userCreate } from "./create.ts";
import { userDisable } from "./disable.ts";
import { userEnable } from "./enable.ts";
import { userGet } from "./get.ts";
import { userList } from "./list.ts";
import { userRevokeSessions } from "./revoke-sessions.ts";
import { userSessions } from "./sessions.ts";
import { userSetPassword } from "./set-password.ts";
import { userSetRoles } from "./set-roles.ts";

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
