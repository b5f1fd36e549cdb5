import { audit } from "./audit/audit.ts";
import type { Command } from "./command.ts";
import { createCompletion } from "./completion/completion.ts";
import { keyCommands } from "./key/commands.ts";
import { checkConfig } from "./server/check-config.ts";
import { migrateCommand } from "./server/migrate.ts";
import { recover } from "./server/recover.ts";
import { serve } from "./server/serve.ts";
import { sessionCommands } from "./session/commands.ts";
import { revokeCommand } from "./session/revoke.ts";
import { userCommands } from "./user/commands.ts";

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
