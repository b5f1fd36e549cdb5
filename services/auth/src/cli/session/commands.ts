import type { Command } from "../command.ts";
import { sessionEnd } from "./end.ts";
import { sessionGet } from "./get.ts";
import { sessionList } from "./list.ts";

/** The commands of `postern session`. */
export const sessionCommands: readonly Command[] = [sessionList, sessionGet, sessionEnd];
