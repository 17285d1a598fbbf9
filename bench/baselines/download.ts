import { Agent, get, type IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";

/** The least that a download costs in Node: one kept connection, the next request sent when the headers arrive. */
const agent = new Agent({ keepAlive: true, maxSockets: 2 });
const unzip = promisify(gunzip);

/** Follows link headers from the first page to the last, and hands over each response while the next one is on its way. */
async function follow(url: string, take: (response: IncomingMessage) => Promise<void>): Promise<void> {
  let coming: Promise<IncomingMessage> | undefined = request(`${url}/calls`);
  while (coming !== undefined) {
    const response: IncomingMessage = await coming;
    const next = /<([^>]+)>; rel="next"/.exec(String(response.headers["link"] ?? ""))?.[1];
    coming = next === undefined ? undefined : request(next);
    await take(response);
  }
  agent.destroy();
}

const request = (url: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => void get(url, { agent }, resolve).on("error", reject));

/** Reads and forgets all bytes; gives how many there were. */
export async function drain(url: string): Promise<number> {
  let bytes = 0;
  await follow(
    url,
    (response) =>
      new Promise((resolve, reject) => {
        response.on("data", (chunk: Buffer) => (bytes += chunk.length));
        response.on("end", resolve).on("error", reject);
      }),
  );
  return bytes;
}

/** Hands over the body of each page, unpacked. */
export async function bodies(url: string, use: (body: Buffer) => void): Promise<void> {
  await follow(url, async (response) => {
    const body = await bodyOf(response);
    use(
      response.headers["content-encoding"] === "gzip" ? await unzip(body, { chunkSize: UNZIP_BYTES }) : body,
    );
  });
}

const UNZIP_BYTES = 256 * 1024;

function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const body = Buffer.allocUnsafeSlow(Number(response.headers["content-length"]));
  let filled = 0;
  return new Promise((resolve, reject) => {
    response.on("data", (chunk: Buffer) => {
      chunk.copy(body, filled);
      filled += chunk.length;
    });
    response.on("end", () => resolve(body)).on("error", reject);
  });
}
