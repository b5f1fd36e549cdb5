import type { Command } from "../command.ts";
import { keyActivate } from "./activate.ts";
import { keyList } from "./list.ts";
import { keyPrepare } from "./prepare.ts";
import { keyRemove } from "./remove.ts";
import { keyReseal } from "./reseal.ts";
import { keyRotate } from "./rotate.ts";
import { keyTaint } from "./taint.ts";

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
