import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Slow files, slowest first. If one of them started last, it would keep one worker busy while the others are idle. Update
 * this list from the ten slowest files that each run prints.
 */
const slow = [
  "test/keys/key-rotation.test.ts",
  "test/redis/redis-faults.test.ts",
  "test/revocation/watch-faults.test.ts",
  "test/postgres/postgres-lost.test.ts",
  "test/postgres/database-url.test.ts",
  "test/keys/kill-points.test.ts",
  "test/postgres/postgres-histories.test.ts",
  "test/lifecycle/rolling-restart.test.ts",
  "test/login/login-timing.test.ts",
  "test/lifecycle/startup.test.ts",
  "test/verifier/verifier.test.ts",
  "test/keys/master-key.test.ts",
  "test/revocation/watch-revocations.test.ts",
  "test/login/login-counts.test.ts",
  "test/postgres/postgres-schema.test.ts",
];

/** Runs the slow files first, and the others in vitest's own order. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = (file: TestSpecification): number => {
      const index = slow.indexOf(relative(file.project.config.root, file.moduleId));
      return index === -1 ? slow.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
