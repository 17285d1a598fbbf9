// Writes the path of each module that a process loads, whether imported or required, into the file $LOADED_TO:
// NODE_OPTIONS="--import .../loaded.mjs" LOADED_TO=/tmp/x node dist/src/cli/main.js run ...
import { appendFileSync } from "node:fs";
import { Module, register } from "node:module";
import { fileURLToPath } from "node:url";

const tell = (path) => appendFileSync(process.env.LOADED_TO, `${path}\n`);

const { load: required } = Module.prototype;
Module.prototype.load = function load(path) {
  tell(path);
  return required.call(this, path);
};

const hooks = `
import { appendFileSync } from "node:fs";
export function load(url, context, next) {
  if (url.startsWith("file:")) appendFileSync(${JSON.stringify(process.env.LOADED_TO)}, decodeURI(url) + "\\n");
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, { parentURL: fileURLToPath(import.meta.url) });
