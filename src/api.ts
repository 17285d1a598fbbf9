/** The public API of Sluice, but for Zod. The command line and the studio use nothing else. */
export { type CheckedResource, type CheckOptions, type CheckResult, check } from "./config/check.js";
export {
  type DefinedResource,
  defineConfig,
  defineResource,
  type PipelineConfig,
  type ResourceDefinition,
  type RestApiSource,
  type RowOf,
  restApi,
  type Source,
  secret,
  type YieldedPage,
} from "./config/define.js";
export { type Explanation, exitCodeOf, explain } from "./config/exit-code.js";
export type { TestConfig } from "./config/expectations.js";
export { definePipeline, type LoadOptions, loadPipeline, type Pipeline } from "./config/load.js";
export { type PlanResult, type PlanStep, plan } from "./config/plan.js";
export { type PreviewOptions, type PreviewPage, type PreviewResult, preview } from "./config/preview.js";
export { type Range, type Run, type RunOptions, run } from "./config/run.js";
export {
  runTests,
  type TestResult,
  type TestResults,
  type TestRunOptions,
  type Verdict,
} from "./config/run-tests.js";
export { diffSchema, exportSchema, type PlannedChange, type SchemaDiff } from "./config/schema.js";
export {
  type MovedCursor,
  pruneHistory,
  readState,
  resetState,
  rewindLastValue,
  setLastValue,
} from "./config/state.js";
export { VERSION } from "./config/version.js";
export { type DestinationDefinition, defineDestination } from "./destinations/destination.js";
export { duckdb } from "./destinations/duckdb.js";
export { file } from "./destinations/file.js";
export {
  asFileDestination,
  type FileDestination,
  type ListedTable,
} from "./destinations/files/destination.js";
export { postgres } from "./destinations/postgres.js";
export { s3 } from "./destinations/s3.js";
export { type HttpRequest, type ResponseHead, RetryableError, type Send } from "./http/message.js";
export type { Batch, Column } from "./model/batch.js";
export type {
  Connection,
  Destination,
  Lease,
  PackageHeader,
  Pruned,
  Receipt,
  Reject,
  Stage,
  StagePlan,
  TableCounts,
} from "./model/destination.js";
export {
  asSluiceError,
  type ErrorKind,
  type ErrorPlace,
  type ErrorReport,
  type Problem,
  SluiceError,
} from "./model/error.js";
export { ERROR_CODES, type ErrorCode } from "./model/error-codes.js";
export type { Event } from "./model/event.js";
export type { Json, JsonObject } from "./model/json.js";
export type { Report, ResourceReport } from "./model/report.js";
export { systemRuntime } from "./model/runtime.js";
export { Redactor, Secret } from "./model/secret.js";
export type {
  Completeness,
  Io,
  MergeRules,
  Page,
  Resource,
  ResourceHints,
  Runtime,
  WriteDisposition,
} from "./model/source.js";
export type {
  HeldWalk,
  PipelineState,
  Position,
  ResourceState,
  SetAsideCounts,
  Unfinished,
} from "./model/state.js";
export { refuseUnsupported, type Supports } from "./model/supports.js";
export type { ColumnSchema, DataType, SchemaChange, TableSchema } from "./model/table.js";
export type { PageTrace, TracedRequest } from "./model/trace.js";
export {
  type AuthDefinition,
  type AuthExample,
  type Authenticator,
  type AuthIo,
  type DefinedAuth,
  defineAuth,
  type OwnAuth,
} from "./rest/authenticator.js";
export type {
  AuthConfig,
  EndpointConfig,
  FormatConfig,
  PaginatorConfig,
  ResourceConfig,
  RestApiConfig,
} from "./rest/config.js";
export { credential, identifier } from "./rest/credential.js";
export {
  type Decode,
  type DecoderDefinition,
  type DecoderExample,
  type DefinedDecoder,
  defineDecoder,
  type OwnDecoder,
} from "./rest/decoder.js";
export type { ConvertFunction } from "./rest/incremental/options.js";
export type { Back } from "./rest/incremental/rewind.js";
export type { CursorValue, LastValueFunction } from "./rest/incremental/value.js";
export type { Defined, Own } from "./rest/own.js";
export {
  type DefinedPaginator,
  definePaginator,
  type Next,
  type OwnPaginator,
  type PageView,
  type Paginator,
  type PaginatorContext,
  type PaginatorDefinition,
  type PaginatorExample,
} from "./rest/paginator.js";
export type { JudgedResponse, ResponseActionName, ResponseFunction } from "./rest/response-actions.js";
export type { FilterFunction, MapFunction, YieldMapFunction } from "./rest/steps.js";
export type { DecodedResponse, SuccessFunction } from "./rest/success.js";
export { type Token, type TokenOptions, tokenAuthenticator } from "./rest/token-authenticator.js";
