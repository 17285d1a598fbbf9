/**
 * Runs tasks one after the other, in the order of the calls, whether or not the one before failed.
 *
 * @example
 * const alone = inTurn();
 * await Promise.all([alone(first), alone(second)]); // second begins when first has ended
 */
export function inTurn(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task, task);
    last = result.catch(() => undefined);
    return result;
  };
}
