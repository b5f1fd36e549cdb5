import { expect, test } from "vitest";
import { replaceMarked } from "./marked-section.ts";

const markers = ["<!-- begin -->", "<!-- end -->"] as const;

test("replaces what is between the markers, and nothing else", () => {
  const page = "# Page\n\n<!-- begin -->\n\nold\n\n<!-- end -->\n\nProse.\n";
  const replaced = replaceMarked(page, markers, "new\n");
  expect(replaced).toBe("# Page\n\n<!-- begin -->\n\nnew\n\n<!-- end -->\n\nProse.\n");
  expect(replaceMarked(replaced, markers, "new")).toBe(replaced);
});

test.each(["<!-- begin -->", "<!-- end -->", "<!-- end --> <!-- begin -->", ""])(
  "refuses a page without both markers in order: %j",
  (page) => expect(() => replaceMarked(page, markers, "new")).toThrow("the page lacks <!-- begin -->"),
);
