import { expect, test } from "vitest";
import { metricsDocument } from "./metrics-doc.ts";

test("docs/reference/metrics.md says what there is (vitest --update writes it)", async () => {
  const path = `${import.meta.dirname}/../../../../docs/reference/metrics.md`;
  await expect(await metricsDocument()).toMatchFileSnapshot(path);
});
