import { type Command, InvalidArgumentError } from "commander";
import type { LoadOptions } from "../../api.js";
import type { Session } from "../session.js";

/** Options of every command that works with a pipeline. */
export interface PipelineFlags {
  readonly pipeline?: string;
  readonly set?: readonly string[];
  readonly destination?: string;
  readonly dataset?: string;
  readonly blockPrivateNetwork?: boolean;
  readonly json?: boolean;
  readonly record?: string;
  readonly replay?: string;
}

export function addPipelineOptions(command: Command): Command {
  return command
    .option("--pipeline <name>", "name of the pipeline, instead of the configured one")
    .option(
      "--set <key=value>",
      "a variable; with dots in the key, a place in the configuration (repeatable)",
      collect,
    )
    .option("--destination <uri>", "where the tables are, such as duckdb:path/to.duckdb")
    .option("--dataset <name>", "database schema of the tables; default: the pipeline's name")
    .option(
      "--block-private-network",
      "send nothing to this machine and to private networks, for configurations that are not trusted",
    )
    .option("--json", "print one JSON document on stdout");
}

/** For commands that read an API. */
export function addTapeOptions(command: Command): Command {
  return addReplayOption(
    command.option(
      "--record <folder>",
      "keep every exchange with the API in this folder, without credentials",
    ),
  );
}

/** For commands that read a little of an API. */
export function addReplayOption(command: Command): Command {
  return command.option(
    "--replay <folder>",
    "read from a recorded folder instead of the API; needs neither network nor secrets",
  );
}

export function loadOptions(session: Session, config: string | undefined, flags: PipelineFlags): LoadOptions {
  const { pipeline, set, destination, dataset, record, replay, blockPrivateNetwork } = flags;
  return {
    cwd: session.cwd,
    env: session.env,
    ...(config === undefined ? {} : { config }),
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(set === undefined ? {} : { set }),
    ...(destination === undefined ? {} : { destination }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(record === undefined ? {} : { record }),
    ...(replay === undefined ? {} : { replay }),
    ...(blockPrivateNetwork === undefined ? {} : { blockPrivateNetwork }),
  };
}

/** `--select a,b --select c` → a, b, c. */
export function names(text: string, before: readonly string[] = []): readonly string[] {
  const given = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (given.length === 0) throw new InvalidArgumentError("Give names of resources, separated by commas.");
  return [...before, ...given];
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("Give a whole number from 1 on.");
  return value;
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
