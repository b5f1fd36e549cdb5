// Loaded into a server before its own code: it has 64 cores, as it sees it.
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

os.availableParallelism = () => 64;
syncBuiltinESMExports();
