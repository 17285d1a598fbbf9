/** For people who write adapters: conformance laws, and a hostile API to test against. */

export {
  always,
  answer,
  asUsual,
  type Behaviour,
  drip,
  endlessLoop,
  type FakeAnswer,
  gzipped,
  html,
  linksTo,
  loopOfTwo,
  malformed,
  redirect,
  relativeLinks,
  repeatedLastPage,
  reset,
  shifted,
  status,
  tooManyRequests,
  truncated,
} from "../test/fake-api/behaviours.js";
export {
  type Dataset,
  type FakeApi,
  type FakeApiOptions,
  type Handler,
  type SeenRequest,
  startFakeApi,
} from "../test/fake-api/fake-api.js";
export { type AuthLaw, authLaws } from "../test/laws/auth.js";
export {
  batchOf,
  type DestinationHarness,
  destinationLaws,
} from "../test/laws/destination.js";
export { paginatorLaws } from "../test/laws/paginator.js";
