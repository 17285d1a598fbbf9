import { SluiceError } from "../../model/error.js";

/**
 * The options that a connection URI says (PostgreSQL, section 34.1.1.2): `postgres://user:password@host:port/database`,
 * parameters after `?`, of which `host` may name the folder of a Unix socket. No message shows the URI, for it holds a
 * password.
 *
 * @throws SluiceError `config/invalid` for what is no such URI.
 */
export function readUri(uri: string): Record<string, unknown> {
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    throw invalid(
      "is not a URI: a password's special characters must be percent-encoded (@ is %40, # is %23)",
    );
  }
  if (!/^postgres(ql)?:$/.test(url.protocol) || !uri.startsWith(`${url.protocol}//`)) {
    throw invalid("does not begin with postgres:// or postgresql://");
  }
  if (url.hash !== "") throw invalid("has a # in it, which must be written %23");
  const host = decoded(url.hostname);
  if (host.includes(",")) throw invalid("names several hosts, of which only one is supported");
  const { dbname, port, ...parameters } = Object.fromEntries(url.searchParams);
  return {
    ...given("host", host.replace(/^\[(.*)\]$/, "$1")),
    ...numeric("port", port ?? url.port),
    ...given("database", dbname ?? decoded(url.pathname.slice(1))),
    ...given("user", decoded(url.username)),
    ...given("password", decoded(url.password)),
    ...parameters,
    ...numeric("connect_timeout", parameters["connect_timeout"] ?? ""),
    ...numeric("max_connections", parameters["max_connections"] ?? ""),
  };
}

function given(name: string, value: string): Record<string, string> {
  return value === "" ? {} : { [name]: value };
}

function numeric(name: string, value: string): Record<string, unknown> {
  return value === "" ? {} : { [name]: /^\d+$/.test(value) ? Number(value) : value };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("has a % in it that begins no escape; it must be written %25");
  }
}

function invalid(what: string): SluiceError {
  return new SluiceError("config/invalid", `the destination's URI ${what}`, {
    at: { path: "destination" },
    hint: "Write postgres://user:password@host:5432/database; without the password, PGPASSWORD and ~/.pgpass are asked.",
  });
}
