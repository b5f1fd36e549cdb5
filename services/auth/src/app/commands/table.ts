import { checkConfig } from "./check-config.ts";
import type { Command } from "./command.ts";
import { migrateCommand } from "./migrate.ts";
import { recover } from "./recover.ts";
import { serve } from "./serve.ts";
import { userCommands } from "./user-commands.ts";

/** Every command of `postern`. */
export const commands: readonly Command[] = [serve, migrateCommand, checkConfig, ...userCommands, recover];
