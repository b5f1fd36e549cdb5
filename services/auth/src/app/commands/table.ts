import { audit } from "./audit.ts";
import { checkConfig } from "./check-config.ts";
import type { Command } from "./command.ts";
import { createCompletion } from "./completion.ts";
import { keyCommands } from "./key-commands.ts";
import { migrateCommand } from "./migrate.ts";
import { recover } from "./recover.ts";
import { revokeCommand } from "./revoke.ts";
import { serve } from "./serve.ts";
import { sessionCommands } from "./session-commands.ts";
import { userCommands } from "./user-commands.ts";

/** Every command of `postern`. */
export const commands: readonly Command[] = [
  serve,
  migrateCommand,
  checkConfig,
  ...userCommands,
  ...sessionCommands,
  revokeCommand,
  ...keyCommands,
  audit,
  recover,
  createCompletion(() => commands),
];
