/**
 * A page with the text between two markers replaced: for the generated part of a hand-written page.
 * @param markers the comments before and after the generated part
 * @throws {Error} if the page does not have both markers, in this order
 */
export function replaceMarked(page: string, markers: readonly [string, string], text: string): string {
  const [begin, end] = markers;
  const [before, after] = [page.indexOf(begin), page.indexOf(end)];
  if (before === -1 || after < before) throw new Error(`the page lacks ${begin} … ${end}`);
  return `${page.slice(0, before + begin.length)}\n\n${text.trim()}\n\n${page.slice(after)}`;
}
