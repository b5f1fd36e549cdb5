import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that take long, the slowest first. A run ends with a list of its ten slowest: keep this one in step with it. Started
 * last, such a file would keep one worker busy while the others have nothing left to do.
 */
const slow = [
  "test/integration/key-rotation.test.ts",
  "test/integration/redis-faults.test.ts",
  "test/integration/watch-faults.test.ts",
  "test/integration/postgres-histories.test.ts",
  "test/integration/database-url.test.ts",
  "test/integration/login-timing.test.ts",
  "test/integration/kill-points.test.ts",
  "test/integration/postgres-lost.test.ts",
  "test/integration/rolling-restart.test.ts",
  "test/integration/verifier.test.ts",
  "test/integration/master-key.test.ts",
  "test/integration/watch-revocations.test.ts",
  "test/integration/login-counts.test.ts",
  "test/integration/postgres-schema.test.ts",
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
