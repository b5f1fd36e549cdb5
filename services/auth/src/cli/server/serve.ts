import type { Command } from "../command.ts";

/** `postern serve`: the server. */
export const serve: Command = {
  path: ["serve"],
  summary: "Run the server",
  usage: "[--embedded] [--follow-parent]",
  options: {
    embedded: { type: "boolean", help: "use an embedded database in POSTERN_DATA_DIR, for trials" },
    "follow-parent": { type: "boolean", help: "stop when the parent process ends" },
  },
  async run(args, io) {
    // Loaded only here: no other command needs the server's modules.
    const { runServer } = await import("./run-server.ts");
    await runServer(args, io);
  },
};
