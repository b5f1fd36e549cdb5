import { postgresSuites } from "./postgres.suites.ts";

postgresSuites((databaseUrl) => databaseUrl);
