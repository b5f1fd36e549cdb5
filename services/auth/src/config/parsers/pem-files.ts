import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { SettingError } from "../error.ts";
import { readNamedFile } from "./named-file.ts";

const mostBytes = 1024 * 1024;
const certificates = /-----BEGIN (?:X509 )?CERTIFICATE-----.+?-----END (?:X509 )?CERTIFICATE-----/gs;
const privateKey = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;

/**
 * Reads the certificates of a PEM file, at least one.
 * @throws {SettingError} with a message that continues the name of the parameter
 */
export function readCertificates(path: string): readonly X509Certificate[] {
  const blocks = readNamedFile(path, mostBytes).toString("latin1").match(certificates);
  if (blocks === null) throw new SettingError("names a file without a certificate in PEM");
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new SettingError("names a file with a certificate that cannot be read");
  }
}

/**
 * Reads the private key of a PEM file.
 * @throws {SettingError} with a message that continues the name of the parameter
 */
export function readPrivateKey(path: string): KeyObject {
  const text = readNamedFile(path, mostBytes).toString("latin1");
  if (!privateKey.test(text)) throw new SettingError("names a file without a private key in PEM");
  if (/ENCRYPTED/.test(text))
    throw new SettingError("names a file with an encrypted key; store the key without a passphrase");
  try {
    return createPrivateKey(text);
  } catch {
    throw new SettingError("names a file with a private key that cannot be read");
  }
}
