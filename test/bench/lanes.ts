/** Works on so many items, at most so many at a time; the results are in the items' order. */
export async function inLanes<R>(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  async function lane(): Promise<void> {
    for (let index = next++; index < count; index = next++) results[index] = await work(index);
  }
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}
