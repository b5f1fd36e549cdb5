import { expect, test } from "vitest";
import { settingsDocument } from "./settings-doc.ts";

test("docs/configuration.md says what the table of settings says (vitest --update writes it)", async () => {
  const path = `${import.meta.dirname}/../../../../docs/configuration.md`;
  await expect(settingsDocument()).toMatchFileSnapshot(path);
});
