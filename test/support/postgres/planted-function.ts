import { withClient } from "./database.ts";

/**
 * Replaces text in the body of one of Postern's functions, as a bug would: for tests that must find it.
 * @throws {Error} if the function does not contain the text
 */
export async function plantInFunction(
  databaseUrl: string,
  name: string,
  changes: readonly (readonly [text: string, replacement: string])[],
): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query(
      "select pg_get_functiondef(oid) as text from pg_proc where proname = $1 and pronamespace = 'postern'::regnamespace",
      [name],
    );
    let text: string = rows[0]?.text ?? "";
    for (const [from, to] of changes) {
      if (!text.includes(from)) throw new Error(`postern.${name} does not contain ${from}`);
      text = text.replace(from, to);
    }
    await client.query(text);
  });
}
