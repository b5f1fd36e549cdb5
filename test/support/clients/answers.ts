import { poll } from "../poll.ts";
import { reasonOf } from "./clients.ts";

/**
 * Calls until the server has decided. On a machine with too much to do, the database may be too late for that.
 * @param onUndecided called for each try without a decision
 */
export async function answered<T>(call: () => Promise<T>, onUndecided?: () => void): Promise<T> {
  const outcome = await poll("an answer that is a decision", 30_000, async () => {
    try {
      return { value: await call() };
    } catch (error) {
      if (!["UNAVAILABLE", "OVERLOADED"].includes(reasonOf(error))) return { error };
      onUndecided?.();
      return undefined;
    }
  });
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

/** The reason for which a call is refused; `answered` if it is not. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  return call.then(() => "answered", reasonOf);
}

/** How often each text occurs. */
export function tally(texts: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}
