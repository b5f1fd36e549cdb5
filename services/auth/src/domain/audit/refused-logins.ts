import { createBatch } from "../../lib/batch.ts";
import type { AuditNote, AuditStore } from "../ports/audit-store.ts";
import type { BudgetName } from "../ports/budget-store.ts";
import type { Uuid } from "../ports/ids.ts";
import type { Mac } from "../ports/mac.ts";
import type { RefusalReason } from "./audit-events.ts";

/** A login that was refused, but for why. */
export interface RefusedLogin {
  readonly caller: string;
  readonly requestId: string;
  /** Undefined: nobody is called so. */
  readonly userId: Uuid | undefined;
  /** What was typed, folded: not to be stored, for people type their passwords there. */
  readonly account: string;
  readonly clientId: string;
  /** Undefined where nobody who is believed has told it. */
  readonly clientAddress: string | undefined;
}

/** Notes logins that were refused. Known and unknown accounts cost the same. */
export interface RefusedLogins {
  /**
   * Resolves when the note is written. Those that wait at once share a transaction.
   * @throws {PosternError} `UNAVAILABLE` where it cannot be
   */
  note(login: RefusedLogin, reason: RefusalReason): Promise<void>;
  /**
   * Counts one that was refused without being hashed, of which there may be thousands a second.
   * @param budget the one that was spent: rows tell of what it stands for alone, so that there are no more of them
   * than of spent budgets, whatever names and addresses a stranger makes up
   */
  count(login: RefusedLogin, budget: BudgetName): void;
  /**
   * Notes what was counted.
   * @throws {PosternError} `UNAVAILABLE`; what could not be noted stays counted
   */
  flush(): Promise<void>;
}

export interface RefusedLoginsDeps {
  readonly audit: Pick<AuditStore, "note">;
  /** Makes the mark of a name that nobody has, by which attempts on one are known. */
  readonly mac: Pick<Mac, "sign">;
}

/** Rows between two flushes: what comes beyond is noted without whom and where. */
const mostRows = 1_000;
const rowsAtOnce = 250;
/** 96 bits in base64url. */
const markLength = 16;

/** Budgets that are of no account. */
const isOfAll: ReadonlySet<BudgetName> = new Set<BudgetName>(["address", "total"]);

interface Counted {
  readonly note: AuditNote;
  count: number;
}

export function createRefusedLogins({ audit, mac }: RefusedLoginsDeps): RefusedLogins {
  const counted = new Map<string, Counted>();
  let others = 0;
  const write = createBatch<AuditNote, true>(async (notes) => {
    await audit.note([...notes]);
    return new Map();
  });

  function toNote(login: RefusedLogin, reason: RefusalReason): AuditNote {
    const { caller, requestId, userId, clientId, clientAddress } = login;
    const mark = mac.sign(login.account).slice(0, markLength);
    const detail = { reason, ...(userId === undefined ? { account: mark } : {}) };
    return { event: "login_refused", caller, requestId, userId, clientId, clientAddress, detail };
  }

  return {
    async note(login, reason) {
      await write(toNote(login, reason));
    },

    count(login, budget) {
      const { caller, userId, account, clientId, clientAddress } = login;
      const [ofAccount, ofAddress] = [!isOfAll.has(budget), budget !== "account_all" && budget !== "total"];
      const whom = ofAccount ? (userId ?? account) : undefined;
      const key = JSON.stringify([budget, caller, clientId, whom, ofAddress ? clientAddress : undefined]);
      const known = counted.get(key);
      if (known !== undefined) {
        known.count += 1;
      } else if (counted.size < mostRows) {
        const note = toNote(login, "rate_limited");
        counted.set(key, {
          note: {
            ...note,
            userId: ofAccount ? userId : undefined,
            clientAddress: ofAddress ? clientAddress : undefined,
            detail: ofAccount ? { ...note.detail, budget } : { reason: "rate_limited", budget },
          },
          count: 1,
        });
      } else {
        others += 1;
      }
    },

    async flush() {
      const rows = [...counted];
      for (let start = 0; start < rows.length; start += rowsAtOnce) {
        const part = rows.slice(start, start + rowsAtOnce);
        // What is counted meanwhile begins a row of its own.
        for (const [key] of part) counted.delete(key);
        try {
          await audit.note(part.map(([, row]) => withCount(row)));
        } catch (error) {
          for (const [key, row] of part) counted.set(key, plus(row, counted.get(key)));
          throw error;
        }
      }
      const count = others;
      if (count === 0) return;
      await audit.note([{ ...othersNote, detail: { reason: "rate_limited", count, others: true } }]);
      others -= count;
    },
  };
}

const othersNote = {
  ...{ event: "login_refused", caller: "postern", requestId: "" },
  ...{ userId: undefined, clientId: undefined, clientAddress: undefined },
};

function withCount({ note, count }: Counted): AuditNote {
  return { ...note, detail: { ...note.detail, count } };
}

function plus(row: Counted, more: Counted | undefined): Counted {
  return { ...row, count: row.count + (more?.count ?? 0) };
}
