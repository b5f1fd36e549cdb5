import type { TestProject } from "vitest/node";
import { startPostgres } from "../postgres/postgres.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The run's shared Postgres: its superuser on the database `postgres`. */
    postgresUrl: string;
  }
}

/** Starts the Postgres that all tests of the run share. Each file has its own databases. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startPostgres();
  project.provide("postgresUrl", postgres.url);
  return () => postgres.stop();
}
