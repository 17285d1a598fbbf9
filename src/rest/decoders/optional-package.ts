import { SluiceError } from "../../model/error.js";

/**
 * Loads a package that only those install who use it, once for the process's life.
 *
 * @throws SluiceError config/missing-package, whose hint is the command that installs it.
 *
 * @example
 * const loadXml = optionalPackage("fast-xml-parser", "XML", () => import("fast-xml-parser"));
 * const { XMLParser } = await loadXml();
 */
export function optionalPackage<T>(name: string, format: string, load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () =>
    (loading ??= load().catch((cause: unknown) => {
      loading = undefined;
      throw new SluiceError(
        "config/missing-package",
        `${format} needs the package ${name}, which is not installed`,
        {
          hint: `npm install ${name}`,
          cause,
        },
      );
    }));
}
