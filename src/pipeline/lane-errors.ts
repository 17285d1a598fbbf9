import { SluiceError } from "../model/error.js";

export function interrupted(resource: string): SluiceError {
  return new SluiceError("run/interrupted", "the run was stopped before this resource was complete", {
    at: { resource },
    hint: "Run again: it goes on from the last commit.",
  });
}

export function shortWalk(resource: string, why: string | undefined): SluiceError {
  const reason = why === undefined ? "" : `: ${why}`;
  return new SluiceError(
    "paginator/short",
    `the walk ended although the API says that there is more${reason}`,
    {
      at: { resource },
      hint: "Check the paginator's options against a response: `sluice preview` shows where it ends. Merged rows are kept; appended and replaced ones since the last commit are not. endpoint.allow_short: true takes it as it is.",
    },
  );
}

export function tooManyRejects(resource: string, count: number, max: number): SluiceError {
  return new SluiceError(
    "data/too-many-rejects",
    `${count} records or values would be set aside, and max_rejected is ${max}`,
    {
      at: { resource },
      hint: "`sluice preview` shows the records. Nothing since the last commit is kept; correct the columns or the contract, or raise max_rejected.",
    },
  );
}

export function rejectedError(resource: string, count: number): SluiceError {
  return new SluiceError(
    "data/rejected",
    `${count} ${count === 1 ? "record was" : "records were"} set aside in _sluice_rejects because of the declared schema`,
    {
      at: { resource },
      hint: `Look at them: select reason, path, record from _sluice_rejects where resource = '${resource}'.`,
    },
  );
}
