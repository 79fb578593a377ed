import { ask, report } from "./person.mjs";

const { APP, NAME, PASSWORD } = process.env;
const { Session } = await import(APP);

class Store {
  kept = new Map();
  full = () => false;
  getItemAsync = async (name) => this.kept.get(name) ?? null;
  deleteItemAsync = async (name) => this.kept.delete(name);

  async setItemAsync(name, value) {
    if (this.full(value)) throw new Error("killed");
    this.kept.set(name, value);
  }

  get token() {
    return JSON.parse(this.kept.get("session")).refresh_token;
  }
}

async function refusal(promise) {
  const { status, reason } = await promise.then(() => ({}), (error) => error);
  return { status, reason };
}

const store = new Store();
await new Session(store).login(NAME, PASSWORD, "Pixel");
const before = store.token;

let renewals = 0;
const answered = globalThis.fetch;
globalThis.fetch = (url, how) => {
  renewals += url.endsWith("/refresh-token");
  return answered(url, how);
};
const started = new Session(store);
await Promise.all([started.token(), started.token(), started.token()]);
globalThis.fetch = answered;
const after = store.token;

let lost;
store.full = (value) => {
  const { refresh_token, key } = JSON.parse(value);
  lost = refresh_token;
  return key === undefined;
};
await refusal(new Session(store).token());
store.full = () => false;
await ask("a week");
await new Session(store).token();
const found = store.token;

await ask("end");
const ended = await refusal(new Session(store).token());
const forgotten = await refusal(new Session(store).token());

const session = new Session(store);
await session.login(NAME, PASSWORD, "Pixel");
await session.logout();
const loggedOut = await refusal(session.token());

report({ before, after, renewals, lost, found, ended, forgotten, loggedOut });
