import { AuthError } from "../../domain/errors.ts";
import type { Actor } from "../../domain/ports/actor.ts";
import type { UserId, Uuid } from "../../domain/ports/ids.ts";
import type {
  ChangeOptions,
  ChangeUserOutcome,
  LoginSnapshot,
  NewUser,
  User,
  UserKey,
  UserStore,
} from "../../domain/ports/user-store.ts";
import { onStandby } from "./connection-faults.ts";
import type { Queries } from "./database.ts";

const columns = `id, email, username, roles, disabled_at is not null as disabled, created_at, updated_at,
  last_login_at, login_count`;

interface UserRow {
  readonly id: UserId;
  readonly email: string;
  readonly username: string | null;
  readonly roles: string[];
  readonly disabled: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly last_login_at: Date | null;
  readonly login_count: number;
}

function toUser(row: UserRow): User {
  return {
    id: row.id,
    email: row.email,
    username: row.username ?? undefined,
    roles: row.roles,
    disabled: row.disabled,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastLoginAt: row.last_login_at ?? undefined,
    loginCount: row.login_count,
  };
}

function where(key: UserKey): { condition: string; value: string } {
  if ("id" in key) return { condition: "u.id = $1", value: key.id };
  if ("emailKey" in key) return { condition: "u.email_key = $1", value: key.emailKey };
  return { condition: "u.username_key = $1", value: key.usernameKey };
}

/** Users in Postgres. */
export function createUserStore(db: Queries): UserStore {
  const find = (key: UserKey) => findUser(db, key);

  /** `call` changes the locked row and what depends on it. The row is then read again. */
  async function change(call: string, id: UserId, value: unknown, options: ChangeOptions) {
    const [row] = await db.query<{ outcome: ChangeUserOutcome["kind"] }>(
      `select ${call}($1, $2, $3, $4, $5) as outcome`,
      [id, value, options.excludeAdmins, options.actor.caller, options.actor.requestId],
    );
    if (row === undefined || row.outcome === "unknown") return { kind: "unknown" } as const;
    if (row.outcome === "administrator") return { kind: "administrator" } as const;
    const user = await find({ id });
    return user === undefined ? ({ kind: "unknown" } as const) : ({ kind: "changed", user } as const);
  }

  return {
    create: (user, actor) => createUser(db, user, actor),
    find,
    list: (page) => listUsers(db, page),
    readForLogin: (key, address) => readForLogin(db, key, address),

    setDisabled: (id, disabled, options) => change("postern.set_disabled", id, disabled, options),
    setPassword: (id, passwordHash, options) => change("postern.set_password", id, passwordHash, options),
    setRoles: (id, roles, options) => change("postern.set_roles", id, roles, options),

    async createFirstAdmin(user, actor) {
      const [row] = await db.query<{ outcome: "created" | "exists" | "taken" }>(
        "select postern.create_first_admin($1, $2, $3) as outcome",
        [toJson(user), actor.caller, actor.requestId],
      );
      return { kind: row?.outcome ?? "exists" };
    },
  };
}

async function findUser(db: Queries, key: UserKey): Promise<User | undefined> {
  const { condition, value } = where(key);
  const [row] = await db.query<UserRow>(`select ${columns} from postern.users u where ${condition}`, [value]);
  return row === undefined ? undefined : toUser(row);
}

async function createUser(db: Queries, user: NewUser, actor: Actor): ReturnType<UserStore["create"]> {
  const [made] = await db.query<UserRow & { recorded: number }>(
    `with t as (select postern.now() as now),
     made as (
       insert into postern.users
         (id, email, email_key, username, username_key, roles, password_hash, created_at, updated_at)
       select u.id, u.email, u.email_key, u.username, u.username_key, u.roles, u.password_hash, t.now, t.now
       from jsonb_populate_record(null::postern.users, $1) u, t
       on conflict do nothing returning *),
     recorded as (select postern.record_audit('user_created', $2, $3, id, null, null,
       jsonb_build_object('roles', roles)) from made)
     select ${columns}, (select count(*) from recorded) as recorded from made`,
    [toJson(user), actor.caller, actor.requestId],
  );
  if (made !== undefined) return { kind: "created", user: toUser(made) };
  const [taken] = await db.query<{ email: boolean }>(
    "select exists (select from postern.users where email_key = $1) as email",
    [user.emailKey],
  );
  return { kind: "taken", field: taken?.email === true ? "email" : "username" };
}

async function listUsers(
  db: Queries,
  { after, limit, prefix }: Parameters<UserStore["list"]>[0],
): Promise<User[]> {
  const rows = await db.query<UserRow>(
    `select ${columns} from postern.users
     where ($1::uuid is null or id > $1)
       and ($2::text is null or starts_with(email_key, $2) or starts_with(username_key, $2))
     order by id limit $3`,
    [after ?? null, prefix ?? null, limit],
  );
  return rows.map(toUser);
}

interface LoginRow {
  readonly in_recovery: boolean;
  readonly now: Date;
  readonly id: UserId | null;
  readonly password_hash: string | null;
  readonly password_version: number;
  readonly disabled: boolean;
  readonly rev: number;
  readonly knows_address: boolean;
  readonly keys_version: Uuid;
}

async function readForLogin(
  db: Queries,
  key: UserKey,
  address: string | undefined,
): Promise<LoginSnapshot | undefined> {
  const { condition, value } = where(key);
  const [row] = await db.query<LoginRow>(
    `select pg_is_in_recovery() as in_recovery, t.now, u.id, u.password_hash,
       u.password_version, u.disabled_at is not null as disabled,
       h.seq as rev, a.address is not null as knows_address,
       h.keys_version
     from (select postern.now() as now) t
       cross join postern.revocation_head h
       left join postern.users u on ${condition}
       left join postern.user_addresses a
         on a.user_id = u.id and a.address = $2 and a.last_login_at > t.now - interval '90 days'`,
    [value, address ?? null],
  );
  // A standby may lack the user, or have an older password.
  if (row === undefined) throw new AuthError("UNAVAILABLE");
  if (row.in_recovery) throw onStandby();
  if (row.id === null) return undefined;
  return {
    userId: row.id,
    passwordHash: row.password_hash ?? undefined,
    passwordVersion: row.password_version,
    disabled: row.disabled,
    rev: row.rev,
    knowsAddress: row.knows_address,
    now: row.now,
    keysVersion: row.keys_version,
  };
}

function toJson(user: NewUser): string {
  return JSON.stringify({
    id: user.id,
    email: user.email,
    email_key: user.emailKey,
    username: user.username,
    username_key: user.usernameKey,
    roles: user.roles,
    password_hash: user.passwordHash,
  });
}
