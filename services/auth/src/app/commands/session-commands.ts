import type { Command } from "./command.ts";
import { sessionEnd } from "./session-end.ts";
import { sessionGet } from "./session-get.ts";
import { sessionList } from "./session-list.ts";

/** The commands of `postern session`. */
export const sessionCommands: readonly Command[] = [sessionList, sessionGet, sessionEnd];
