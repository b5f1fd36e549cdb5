import { createBatch } from "../../lib/batch.ts";
import type { AuditRecord, AuditStore } from "../ports/audit-store.ts";
import type { BudgetName } from "../ports/budget-store.ts";
import type { UserId } from "../ports/ids.ts";
import type { Mac } from "../ports/mac.ts";
import type { RefusalReason } from "./audit-events.ts";

/** A login that failed, without the reason. */
export interface FailedLogin {
  readonly caller: string;
  readonly requestId: string;
  /** Undefined for an unknown name. */
  readonly userId: UserId | undefined;
  /** The folded text of the request. It must not be stored, because people type their passwords there. */
  readonly account: string;
  readonly clientId: string;
  /** Undefined if no trusted caller reported one. */
  readonly clientAddress: string | undefined;
}

/** Records failed logins. Known and unknown accounts cost the same. */
export interface FailedLogins {
  /**
   * Resolves when the event is written. Events that wait at the same time share a transaction.
   * @throws {AuthError} `UNAVAILABLE`
   */
  record(login: FailedLogin, reason: RefusalReason): Promise<void>;
  /**
   * Counts a login that was refused before its password was hashed. There can be thousands in a second.
   * @param budget the budget that was used up. A row has only what this budget counts by, so that there are no more rows
   * than used-up budgets, for any names and addresses that an attacker invents
   */
  count(login: FailedLogin, budget: BudgetName): void;
  /**
   * Records what was counted.
   * @throws {AuthError} `UNAVAILABLE`; what could not be recorded stays counted
   */
  flush(): Promise<void>;
}

export interface FailedLoginsDeps {
  readonly audit: Pick<AuditStore, "record">;
  /** Makes the pseudonym of an unknown name, so that attempts on the same name can be found. */
  readonly mac: Pick<Mac, "sign">;
}

/** Maximum number of rows between two flushes. Above it, only the number of logins is recorded. */
const maxRows = 1_000;
const rowsPerStatement = 250;
/** 96 bits in base64url. */
const pseudonymLength = 16;

/** Budgets that do not count by account. */
const withoutAccount: ReadonlySet<BudgetName> = new Set<BudgetName>(["address", "total"]);

interface Counted {
  readonly record: AuditRecord;
  count: number;
}

export function createFailedLogins({ audit, mac }: FailedLoginsDeps): FailedLogins {
  const counted = new Map<string, Counted>();
  let others = 0;
  const write = createBatch<AuditRecord, true>(async (records) => {
    await audit.record([...records]);
    return new Map();
  });

  function toEvent(login: FailedLogin, reason: RefusalReason): AuditRecord {
    const { caller, requestId, userId, clientId, clientAddress } = login;
    const pseudonym = mac.sign(login.account).slice(0, pseudonymLength);
    const detail = { reason, ...(userId === undefined ? { account: pseudonym } : {}) };
    return { event: "login_refused", caller, requestId, userId, clientId, clientAddress, detail };
  }

  return {
    async record(login, reason) {
      await write(toEvent(login, reason));
    },

    count(login, budget) {
      const { caller, userId, clientId, clientAddress } = login;
      const [byAccount, byAddress] = [
        !withoutAccount.has(budget),
        budget !== "account_all" && budget !== "total",
      ];
      const account = byAccount ? (userId ?? login.account) : undefined;
      const key = JSON.stringify([budget, caller, clientId, account, byAddress ? clientAddress : undefined]);
      const known = counted.get(key);
      if (known !== undefined) {
        known.count += 1;
      } else if (counted.size < maxRows) {
        const record = toEvent(login, "rate_limited");
        counted.set(key, {
          record: {
            ...record,
            userId: byAccount ? userId : undefined,
            clientAddress: byAddress ? clientAddress : undefined,
            detail: byAccount ? { ...record.detail, budget } : { reason: "rate_limited", budget },
          },
          count: 1,
        });
      } else {
        others += 1;
      }
    },

    async flush() {
      const rows = [...counted];
      for (let start = 0; start < rows.length; start += rowsPerStatement) {
        const part = rows.slice(start, start + rowsPerStatement);
        // Logins that are counted during the write begin a new row.
        for (const [key] of part) counted.delete(key);
        try {
          await audit.record(part.map(([, row]) => withCount(row)));
        } catch (error) {
          for (const [key, row] of part) counted.set(key, merge(row, counted.get(key)));
          throw error;
        }
      }
      const count = others;
      if (count === 0) return;
      await audit.record([{ ...othersRecord, detail: { reason: "rate_limited", count, others: true } }]);
      others -= count;
    },
  };
}

const othersRecord = {
  event: "login_refused",
  caller: "postern",
  requestId: "",
  userId: undefined,
  clientId: undefined,
  clientAddress: undefined,
};

function withCount({ record, count }: Counted): AuditRecord {
  return { ...record, detail: { ...record.detail, count } };
}

function merge(row: Counted, more: Counted | undefined): Counted {
  return { ...row, count: row.count + (more?.count ?? 0) };
}
