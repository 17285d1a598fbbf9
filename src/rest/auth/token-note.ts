import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import type { AuthIo } from "../authenticator.js";

/** What a kept refresh token belongs to. */
export interface TokenOwner {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  /** The refresh token as configured, which the kept one has replaced. */
  readonly configured: string;
}

/** The refresh token that a server handed out last, kept beyond the run. */
export interface TokenNote {
  /** Undefined when there is none. One that can't be read any more is told in a warning, and is none. */
  read(io: AuthIo): string | undefined;
  /** Resolves when it is stored. */
  write(token: string, io: AuthIo): Promise<void>;
}

/**
 * Keeps a rotated refresh token in the pipeline's notes, encrypted with AES-256-GCM. The key is derived (HKDF, RFC 5869)
 * from the client's secret, or without one from the configured refresh token: who can read the database alone can't use
 * it. The note is named by a hash of the configured refresh token, so that one that is newly configured begins anew.
 */
export function tokenNote({ tokenUrl, clientId, clientSecret, configured }: TokenOwner): TokenNote {
  const owner = JSON.stringify([tokenUrl, clientId, digest(configured)]);
  const name = `oauth2_refresh_token/${digest(owner)}`;
  const key = Buffer.from(
    hkdfSync("sha256", clientSecret ?? configured, owner, "sluice refresh token note, version 1", 32),
  );
  return {
    read(io) {
      const note = io.notes.read(name);
      if (note === undefined) return undefined;
      try {
        return opened(typeof note === "string" ? note : "", key, name);
      } catch {
        io.warn("auth/note", UNREADABLE);
        return undefined;
      }
    },
    write: (token, io) => io.notes.write(name, sealed(token, key, name), { vital: true }),
  };
}

const UNREADABLE =
  "the refresh token that the server handed out last can't be decrypted, because client_secret has changed; the configured refresh token is used";

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Nonce, tag and ciphertext as one text. The note's name is bound to it, so it can't be moved to another note. */
function sealed(token: string, key: Buffer, name: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(name));
  const content = Buffer.concat([cipher.update(token, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), content]).toString("base64url");
}

function opened(note: string, key: Buffer, name: string): string {
  const bytes = Buffer.from(note, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(name))
    .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString(
    "utf8",
  );
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
