import { randomBytes } from "node:crypto";
import { hashSync } from "@node-rs/argon2";
import { params } from "../../services/auth/src/crypto/argon2-params.ts";
import { formatId } from "../../services/auth/src/lib/type-id.ts";
import { createNewId } from "../../services/auth/src/lib/uuid.ts";
import { openDatabase } from "../../services/auth/src/store/postgres/database.ts";
import { createUserStore } from "../../services/auth/src/store/postgres/user-store.ts";
import { each } from "../support/each.ts";

/** Of every user here. */
export const password = "nine lanterns above a slow river";

export interface Person {
  readonly id: string;
  readonly email: string;
}

/** Makes users who may log in. Their hash is made once: hashing is what a login costs, not what this is about. */
export async function createPeople(databaseUrl: string, count: number): Promise<Person[]> {
  await using db = openDatabase({ url: databaseUrl, maxConnections: 4, name: "bench", onFault: () => {} });
  const users = createUserStore(db);
  const newId = createNewId({ now: Date.now, random: randomBytes });
  const passwordHash = hashSync(password, params);
  return await each(Array.from({ length: count }), 4, async () => {
    const id = newId();
    const email = `${id}@people.test`;
    const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
    await users.create({ id, ...names, roles: [], passwordHash }, { caller: "bench", requestId: "" });
    return { id: formatId("usr", id), email };
  });
}
