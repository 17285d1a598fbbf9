import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { AttemptError } from "./attempt-error.js";

/** Addresses that are not the public Internet (IANA special-purpose registries, RFC 6890), with multicast. */
const PRIVATE = new BlockList();
for (const [address, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  PRIVATE.addSubnet(address, bits, "ipv4");
  // The same as IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052) and 6to4 (RFC 3056) addresses.
  PRIVATE.addSubnet(`::ffff:${address}`, 96 + bits, "ipv6");
  PRIVATE.addSubnet(`64:ff9b::${address}`, 96 + bits, "ipv6");
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  PRIVATE.addSubnet(
    `2002:${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}::`,
    16 + bits,
    "ipv6",
  );
}
for (const [address, bits] of [
  // Unspecified, loopback and IPv4-compatible.
  ["::", 96],
  // NAT64 for local use.
  ["64:ff9b:1::", 48],
  ["100::", 64],
  // Teredo: the address inside is obscured.
  ["2001::", 32],
  ["2001:db8::", 32],
  ["fc00::", 7],
  ["fe80::", 9],
  ["ff00::", 8],
] as const) {
  PRIVATE.addSubnet(address, bits, "ipv6");
}

/**
 * True for an IP address that leads into a private network or to the machine itself: loopback, private, link-local (with
 * the metadata services of clouds), shared (carrier NAT), unique-local, multicast and reserved ones, also when they are
 * written as IPv6. What is no IP address counts as one.
 *
 * @example
 * isPrivateAddress("169.254.169.254"); // true
 */
export function isPrivateAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, "");
  const family = isIP(plain);
  return family === 0 || PRIVATE.check(plain, family === 4 ? "ipv4" : "ipv6");
}

/**
 * Refuses a host that is written as a private address. One that is a name is left to `publicLookup`.
 *
 * @throws AttemptError http/private-network
 */
export function requirePublic(host: string): void {
  if (isIP(host) !== 0 && isPrivateAddress(host)) throw refused();
}

/**
 * Finds the addresses of names, and refuses private ones. The address that was looked at is the one that is connected
 * to, so a name that resolves to something else the next moment (DNS rebinding) gains nothing. If any address of a name
 * is private, the name is refused. A host that is an address is not looked up: see `requirePublic`.
 */
export function publicLookup(resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) callback(error ?? notFound(hostname), [], 0);
      else if (addresses.some(({ address }) => isPrivateAddress(address))) callback(refused(), [], 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" });
}

function refused(): AttemptError {
  return new AttemptError({
    code: "http/private-network",
    reason: "the host is in a private network, which is blocked in this run",
    retry: "never",
    hint: "Run without --block-private-network if you trust the configuration.",
  });
}
