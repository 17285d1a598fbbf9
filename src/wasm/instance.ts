import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** What is used of the global: TypeScript has it only in its library for browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, WasmImports>>,
  ) => { readonly exports: unknown };
};

type WasmImports = Readonly<Record<string, (...numbers: number[]) => number>>;

/** Memory that only grows; then it gets another buffer. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** A constant that a program exports. */
export interface WasmConstant {
  readonly value: number;
}

/** Bytes by which `WasmMemory` grows. */
export const WASM_PAGE_BYTES = 65_536;

const modules = new Map<string, object>();

/**
 * The exports of an instance of a program in `wasm/`, which scripts/build.mjs has compiled; `imports` are the functions
 * that it declares. Whoever calls says by the type what the program exports.
 *
 * @throws Error when the package has not been built.
 *
 * @example
 * const { read } = wasmInstance("read-document", { numberOf }) as ReaderExports;
 */
export function wasmInstance(name: string, imports: WasmImports = {}): unknown {
  let module = modules.get(name);
  if (module === undefined) {
    const file = createRequire(import.meta.url).resolve(`#${name}.wasm`);
    module = new WebAssembly.Module(readFileSync(file));
    modules.set(name, module);
  }
  return new WebAssembly.Instance(module, { [name]: imports }).exports;
}
