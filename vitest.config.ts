import { defineConfig } from "vitest/config";
import { SlowestFirst } from "./test/support/run/slowest-first.ts";

/** Tests beside the source that want a database; all others there need nothing but Node. */
const storeTests = "services/auth/src/store/**/*.test.ts";

export default defineConfig({
  test: {
    // More than the two cores of CI: many tests wait for processes to start or for a fault to pass.
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["services/**/src/**/*.test.ts", "test/*.test.ts"],
          exclude: [storeTests],
          // One module graph for all files of a worker halves the processor time. Tests here leave no state behind.
          pool: "threads",
          isolate: false,
          testTimeout: 120_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: "postgres",
          // As above; files run one after the other in each of a few processes.
          isolate: false,
          include: [storeTests, "test/*/**/*.test.ts"],
          globalSetup: "test/support/run/global-setup.ts",
          testTimeout: 120_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
