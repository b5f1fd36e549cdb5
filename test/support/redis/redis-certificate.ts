import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { guardedFolder } from "../postgres/guarded-folder.ts";

/** A server's certificate for 127.0.0.1, from a CA that signed nothing else. */
export interface Certificate extends AsyncDisposable {
  /** The path of the CA's PEM; it goes when this is disposed of. */
  readonly caFile: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
const REQUESTS = [
  `req -x509 ${NEW_KEY} -keyout ca.key -out ca.pem -subj /CN=postern-tests -days 1`,
  `req ${NEW_KEY} -keyout server.key -out server.csr -subj /CN=127.0.0.1`,
  "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -out server.pem -days 1",
];
const EXTENSIONS = "subjectAltName = IP:127.0.0.1\nextendedKeyUsage = serverAuth\n";

/** Makes one with `openssl`, good for a day. */
export async function createCertificate(): Promise<Certificate> {
  const { path, sweep } = await guardedFolder("certificate");
  const read = (name: string) => readFile(`${path}/${name}`, "utf8");
  try {
    await writeFile(`${path}/server.ext`, EXTENSIONS);
    for (const line of REQUESTS) await promisify(execFile)("openssl", line.split(" "), { cwd: path });
    return {
      caFile: `${path}/ca.pem`,
      ca: await read("ca.pem"),
      certificate: await read("server.pem"),
      key: await read("server.key"),
      [Symbol.asyncDispose]: sweep,
    };
  } catch (error) {
    await sweep();
    throw error;
  }
}
