import { expect, test } from "vitest";
import { metricsDocument } from "./metrics-doc.ts";

test("docs/metrics.md says what there is (vitest --update writes it)", async () => {
  const path = `${import.meta.dirname}/../../../../docs/metrics.md`;
  await expect(await metricsDocument()).toMatchFileSnapshot(path);
});
