/** Milliseconds of one clock that never goes back, read before the call was sent and after it was answered. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** A session was opened: its user's revocations before that do not concern it. */
export interface Opening extends Span {
  readonly kind: "open";
  readonly session: string;
  readonly user: string;
}

export interface Revocation extends Span {
  readonly kind: "revoke";
  /** A refresh token is revoked as its session. */
  readonly target: "token" | "session" | "user";
  readonly id: string;
  /** `unknown`: it may have taken effect at any time after it began, that after its end too, or never. */
  readonly outcome: "answered" | "unknown";
  /** The server that was asked. */
  readonly on: string;
}

export interface Introspection extends Span {
  readonly kind: "introspect";
  readonly token: string;
  readonly session: string;
  readonly user: string;
  /** `unknown` says nothing of the token. */
  readonly outcome: "active" | "inactive" | "unknown";
  readonly on: string;
}

/** From its begin on the token may be over on its own account: it has expired, or was exchanged for another. */
export interface Lapse {
  readonly kind: "lapse";
  readonly token: string;
  readonly begin: number;
}

export type Operation = Opening | Revocation | Introspection | Lapse;

export const rules = {
  revoked: "active, although a Revoke of it had been answered before",
  revived: "active, although it had been found inactive before",
  unfounded: "inactive, although nothing had ended it",
} as const;

export interface Violation {
  readonly rule: keyof typeof rules;
  readonly operation: Introspection;
  /** What it contradicts: the answered Revoke, or an answer `inactive` for which the same end must account. */
  readonly contradicts: Revocation | Introspection | undefined;
}

/** Anything that may have ended a token. */
interface Cause {
  readonly begin: number;
  /** Infinity: the moment by which it had taken effect is not known. */
  readonly answered: number;
  readonly revocation: Revocation | undefined;
  /** The last to begin of the answers by which it had not taken effect yet. */
  notBefore: Introspection | undefined;
}

/**
 * What in a history no order of its operations explains, each taking effect at one moment between its begin
 * and its end. Since nothing ends twice or comes back, it is enough to know of each end the earliest moment
 * at which it may have taken effect: after the begin of every `active` that it would have prevented. An
 * `inactive` needs one that may have come before its own end. Nothing is missed, but where a user's Revoke
 * and the opening of a session may have come in either order: to that session it counts as an end of its
 * own, which need never have taken effect.
 */
export function violationsOf(history: readonly Operation[]): Violation[] {
  const causesOf = indexCauses(history);
  const introspections = history.filter((operation) => operation.kind === "introspect");
  const found: Violation[] = [];
  for (const operation of introspections) {
    if (operation.outcome !== "active") continue;
    const causes = causesOf(operation);
    const broken = causes.find(({ answered }) => answered < operation.begin);
    if (broken) found.push({ rule: "revoked", operation, contradicts: broken.revocation });
    else for (const cause of causes) cause.notBefore = later(cause.notBefore, operation);
  }
  const revived = new Set<Introspection>();
  for (const operation of introspections) {
    if (operation.outcome !== "inactive") continue;
    const causes = causesOf(operation).filter(({ begin }) => begin < operation.end);
    const witnesses = causes.map(({ notBefore }) => notBefore);
    if (causes.length === 0) found.push({ rule: "unfounded", operation, contradicts: undefined });
    if (causes.length === 0 || witnesses.some((one) => one === undefined || one.begin < operation.end))
      continue;
    const [witness] = witnesses;
    if (witness === undefined || revived.has(witness)) continue;
    revived.add(witness);
    found.push({ rule: "revived", operation: witness, contradicts: operation });
  }
  return found;
}

/** Of every introspection: what may have ended its token, shared by all tokens that it would have ended. */
function indexCauses(history: readonly Operation[]): (of: Introspection) => readonly Cause[] {
  const opened = new Map<string, Opening>();
  const byToken = new Map<string, Cause[]>();
  const bySession = new Map<string, Cause[]>();
  const byUser = new Map<string, Cause[]>();
  const byTarget = { token: byToken, session: bySession, user: byUser };
  for (const operation of history) {
    if (operation.kind === "open") opened.set(operation.session, operation);
    if (operation.kind === "lapse") add(byToken, operation.token, uncertain(operation.begin, undefined));
    if (operation.kind === "revoke") add(byTarget[operation.target], operation.id, causeOf(operation));
  }

  const ofSessions = new Map<string, readonly Cause[]>();
  function ofSession({ session, user }: Introspection): readonly Cause[] {
    const known = ofSessions.get(session);
    if (known) return known;
    const ofUser = (byUser.get(user) ?? []).flatMap((cause) => narrow(cause, opened.get(session)));
    const causes = [...(bySession.get(session) ?? []), ...ofUser];
    ofSessions.set(session, causes);
    return causes;
  }
  return (of) => [...(byToken.get(of.token) ?? []), ...ofSession(of)];
}

/** What a user's Revoke is to a session: the same to all that were there before, nothing to those opened later. */
function narrow(cause: Cause, opening: Opening | undefined): Cause[] {
  if (opening === undefined || opening.end < cause.begin) return [cause];
  if (cause.answered < opening.begin) return [];
  return [uncertain(cause.begin, cause.revocation)];
}

function causeOf(revocation: Revocation): Cause {
  const { begin, end, outcome } = revocation;
  if (outcome === "unknown") return uncertain(begin, revocation);
  return { begin, answered: end, revocation, notBefore: undefined };
}

function uncertain(begin: number, revocation: Revocation | undefined): Cause {
  return { begin, answered: Number.POSITIVE_INFINITY, revocation, notBefore: undefined };
}

function later(one: Introspection | undefined, other: Introspection): Introspection {
  return one !== undefined && one.begin > other.begin ? one : other;
}

function add<T>(to: Map<string, T[]>, key: string, item: T): void {
  const items = to.get(key);
  if (items) items.push(item);
  else to.set(key, [item]);
}
