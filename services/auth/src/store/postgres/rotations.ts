import { AuthError } from "../../domain/errors.ts";
import type { RotateOutcome, RotateRequest, SessionStore } from "../../domain/ports/session-store.ts";
import { remainingMs, withoutDeadline } from "../../lib/deadline.ts";
import { callTimeoutMs, type Queries } from "./database.ts";
import { type GrantRow, grantColumns, toGrant } from "./grant-row.ts";

/** Maximum number of tokens that one statement rotates. */
const batchSize = 64;
/** Maximum number of statements in flight. The second one keeps the database busy while the answer of the first travels. */
const lanes = 2;
/** Maximum number of tokens that wait. If the database cannot keep up, the next one is refused immediately. */
const maxWaiting = 2_048;

interface Waiting {
  readonly request: RotateRequest;
  /** Start of the wait, by our own clock. After `callTimeoutMs` the caller got `UNAVAILABLE`, and the token must not be spent. */
  readonly sinceMs: number;
  readonly resolve: (outcome: RotateOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Rotates refresh tokens in batches: tokens that arrive while the statements are in flight form the next batch. A single
 * token does not wait, and many tokens share a commit.
 */
export function createRotations(
  db: Queries,
  { grace, idle }: { grace: string; idle: string },
): SessionStore["rotate"] {
  const statement = createStatement(db, { grace, idle });
  const waiting: Waiting[] = [];
  let inFlight = 0;

  async function run(batch: readonly Waiting[]): Promise<void> {
    try {
      const oldest = Math.min(...batch.map(({ sinceMs }) => sinceMs));
      const requests = batch.map(({ request }) => request);
      const outcomes = await statement.rotate(requests, oldest);
      batch.forEach(({ resolve }, index) => {
        resolve(outcomes[index] as RotateOutcome);
      });
    } catch (error) {
      // The batch was too late, or the database's clock jumped.
      if (sqlStateOf(error) === "57014") statement.forgetClock();
      if (batch.length > 1 && concernsOneRow(error)) {
        // One row that cannot be locked, or that breaks the statement, has undone the whole batch: run each alone.
        for (const entry of batch) await run([entry]);
      } else {
        for (const { reject } of batch) reject(error);
      }
    }
  }

  function next(): void {
    while (inFlight < lanes && waiting.length > 0) {
      inFlight += 1;
      const batch = waiting.splice(0, batchSize);
      void withoutDeadline(() => run(batch)).finally(() => {
        inFlight -= 1;
        next();
      });
    }
  }

  /** Answers a token that has waited too long for a free statement, and no longer sends it. */
  function giveUp(entry: Waiting): void {
    const index = waiting.indexOf(entry);
    if (index === -1) return;
    waiting.splice(index, 1);
    entry.reject(new AuthError("UNAVAILABLE"));
  }

  return (request) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= maxWaiting) {
        reject(new AuthError("OVERLOADED"));
        return;
      }
      const entry: Waiting = {
        request,
        sinceMs: performance.now(),
        resolve: (outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => giveUp(entry), Math.min(callTimeoutMs, remainingMs()));
      waiting.push(entry);
      next();
    });
}

/** The statement that rotates a batch, with the database's time after which it changes nothing. */
function createStatement(db: Queries, { grace, idle }: { grace: string; idle: string }) {
  /** One moment by the database's clock and by our own: converts times between the two. */
  let anchor: { readonly databaseMs: number; readonly ownMs: number } | undefined;

  return {
    /** @param sinceMs start of the longest wait, by our own clock */
    async rotate(requests: readonly RotateRequest[], sinceMs: number): Promise<RotateOutcome[]> {
      const notAfter =
        anchor === undefined ? null : new Date(anchor.databaseMs + sinceMs - anchor.ownMs + callTimeoutMs);
      const rows = await db.query<{ ord: number; outcome: RotateOutcome["kind"]; clock: Date } & GrantRow>(
        `select r.ord, r.outcome, ${grantColumns("r.granted")}, clock_timestamp() as clock
         from postern.rotate_sessions($1, $2::interval, $3::interval, $4) as r`,
        [JSON.stringify(requests.map(toRow)), grace, idle, notAfter],
      );
      const [first] = rows;
      if (first !== undefined) anchor = { databaseMs: first.clock.getTime(), ownMs: performance.now() };
      const outcomes = new Map(rows.map((row) => [row.ord, toOutcome(row)]));
      return requests.map((_, ord) => {
        const outcome = outcomes.get(ord);
        if (outcome === undefined) throw new Error("a rotation has no outcome");
        return outcome;
      });
    },
    /** The next batch has no limit, and reads the clock again. */
    forgetClock() {
      anchor = undefined;
    },
  };
}

function toRow(request: RotateRequest, ord: number) {
  return {
    ord,
    session_id: request.sessionId,
    refresh_key: request.refreshKey,
    generation: request.generation,
    caller: request.caller,
    client_id: request.clientId,
    scope: request.scope,
    client_request_id: request.clientRequestId,
    request_id: request.requestId,
  };
}

function toOutcome(row: { outcome: RotateOutcome["kind"] } & GrantRow): RotateOutcome {
  return row.outcome === "granted" ? { kind: "granted", grant: toGrant(row) } : { kind: row.outcome };
}

/** A lock timeout, a deadlock, or a fault in the data; not a store that is unavailable. */
function concernsOneRow(error: unknown): boolean {
  return /^(55P03|40...|2[0-9]...|P0...)$/.test(sqlStateOf(error));
}

function sqlStateOf(error: unknown): string {
  const fault = error instanceof AuthError ? error.cause : error;
  return fault instanceof Error && "code" in fault ? String(fault.code) : "";
}
