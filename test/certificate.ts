import { generateKeyPairSync, sign, X509Certificate } from "node:crypto";

/** A certificate and its private key, both as PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Makes a certificate that is signed by itself, valid for the given DNS names, from yesterday for ten years. It is
 * written in DER by hand (RFC 5280), so that tests need no program to make one and no key lies in the repository.
 */
export function selfSigned(names: readonly string[], now = Date.now()): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(object("1.2.840.10045.4.3.2"));
  const name = sequence(tagged(0x31, sequence(object("2.5.4.3"), tagged(0x0c, Buffer.from("sluice test")))));
  const validity = sequence(utcTime(now - DAY), utcTime(now + 3650 * DAY));
  const extensions = sequence(
    extension("2.5.29.17", sequence(...names.map((dns) => tagged(0x82, Buffer.from(dns))))),
    extension("2.5.29.19", sequence(tagged(0x01, Buffer.from([0xff])))),
  );
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.from([1])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, extensions),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]);
  const certificate = new X509Certificate(sequence(body, algorithm, tagged(0x03, signature)));
  return {
    certificate: certificate.toString(),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

const DAY = 86_400_000;

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Buffer[]) => tagged(0x30, Buffer.concat(parts));

const extension = (id: string, value: Buffer) => sequence(object(id), tagged(0x04, value));

const utcTime = (ms: number) =>
  tagged(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));

function object(id: string): Buffer {
  const [first = 0, second = 0, ...rest] = id.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const septets: number[] = [];
    for (let left = part; left > 0 || septets.length === 0; left = Math.floor(left / 128)) {
      septets.unshift((left % 128) | (septets.length === 0 ? 0 : 0x80));
    }
    return septets;
  });
  return tagged(0x06, Buffer.from(bytes));
}
