// The person is at the other end of the pipes: what is asked goes out as a line of JSON, and the
// address where the browser was sent in the end comes back as a line.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function ask(wish) {
  console.log(JSON.stringify(wish));
  return (await lines.next()).value;
}

export function report(found) {
  console.log(JSON.stringify({ found }));
  process.stdin.destroy();
}

export async function refusal(promise) {
  const error = await promise.then(() => ({}), (reason) => reason);
  return { code: error.code, error: error.error, reason: error.cause?.reason };
}
