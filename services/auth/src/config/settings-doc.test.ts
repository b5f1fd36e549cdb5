import { expect, test } from "vitest";
import { settingsDocument } from "./settings-doc.ts";

test("docs/reference/configuration.md says what the table of settings says (vitest --update writes it)", async () => {
  const path = `${import.meta.dirname}/../../../../docs/reference/configuration.md`;
  await expect(settingsDocument()).toMatchFileSnapshot(path);
});
