import type { Command } from "../command.ts";

/** `postern serve`: the server. */
export const serve: Command = {
  path: ["serve"],
  summary: "Run the server",
  usage: "[--embedded] [--follow-parent]",
  options: {
    embedded: { type: "boolean", help: "on a database of its own in POSTERN_DATA_DIR, for trying out" },
    "follow-parent": { type: "boolean", help: "end when the process that started it ends" },
  },
  async run(args, io) {
    // All that a server is of: no other command needs it, and none is to wait for it.
    const { runServer } = await import("./run-server.ts");
    await runServer(args, io);
  },
};
