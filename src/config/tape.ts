import { resolve } from "node:path";
import { createRecorder } from "../http/record.js";
import { openReplay, replayRuntime } from "../http/replay.js";
import type { Tape } from "../http/tape.js";
import { SluiceError } from "../model/error.js";
import type { Redactor } from "../model/secret.js";
import type { Runtime } from "../model/source.js";
import type { Lookup } from "./secrets.js";

/** A recording that is made or played back while a pipeline is used. */
export interface TapeInUse {
  readonly tape: Tape;
  /** What templates of the configuration take for now: the same in the recorded run and in its replays. */
  readonly startedAt: number;
  /** Clock and chance of a replay; undefined while recording. */
  readonly runtime?: Runtime;
  /** A replay needs no secrets: a missing one is made up. */
  secretOf(name: string, found: Lookup): Lookup;
}

/** Opens what `record` or `replay` names; undefined without either. */
export function openTape(
  { record, replay }: { readonly record?: string; readonly replay?: string },
  cwd: string,
  redactor: Redactor,
): TapeInUse | undefined {
  if (record !== undefined && replay !== undefined) {
    throw new SluiceError("config/usage", "a replay can't be recorded: nothing is sent", {
      hint: "Give either --record or --replay.",
    });
  }
  if (record !== undefined) {
    const startedAt = Date.now();
    const tape = createRecorder({ folder: resolve(cwd, record), redactor, startedAt });
    return { tape, startedAt, secretOf: (_, found) => found };
  }
  if (replay === undefined) return undefined;
  const { tape, recordedAt } = openReplay({ folder: resolve(cwd, replay), redactor });
  return {
    tape,
    startedAt: recordedAt,
    runtime: replayRuntime(recordedAt),
    secretOf: (name, found) => ("value" in found ? found : { value: `replayed-${name}`, from: "the replay" }),
  };
}
