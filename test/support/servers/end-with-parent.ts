// Loaded into a server before its own code: ends it when the pipe on its stdin closes, which it does
// with the test that started it, however that ended.
import { Socket } from "node:net";

const pipe = new Socket({ fd: 0 });
pipe.once("close", () => process.kill(process.pid, "SIGKILL"));
pipe.resume().unref();
