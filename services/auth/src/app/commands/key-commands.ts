import type { Command } from "./command.ts";
import { keyActivate } from "./key-activate.ts";
import { keyList } from "./key-list.ts";
import { keyPrepare } from "./key-prepare.ts";
import { keyRemove } from "./key-remove.ts";
import { keyReseal } from "./key-reseal.ts";
import { keyRotate } from "./key-rotate.ts";
import { keyTaint } from "./key-taint.ts";

/** The commands of `postern key`. */
export const keyCommands: readonly Command[] = [
  keyList,
  keyPrepare,
  keyActivate,
  keyRotate,
  keyTaint,
  keyRemove,
  keyReseal,
];
