// The application's side of the flow: authorization requests with PKCE, a callback listener, token and API requests.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

import { ACTION_TIMEOUT_MS } from "./harness.mjs";

/** What the client shows. */
export const CALLBACK_PAGE = `<!doctype html><html lang="en"><title>Callback</title><link rel="icon" href="data:,">
<h1>Back at the application</h1></html>`;

/** Listens on 127.0.0.1 for whatever the server sends its client, by GET and by POST. */
export class Callback {
  /** Everything that came, in order: `{ method, pathname, dest, params }`. */
  arrivals = [];
  /** What is answered instead of the usual page, by path: HTML, or a promise of it. */
  pages = new Map();

  #server = createServer((request, response) => this.#receive(request, response));
  #waiting = new Map();

  /** On a port of its own, unless one is registered. */
  static async listen(port = 0) {
    const callback = new Callback();
    callback.#server.listen(port, "127.0.0.1");
    await once(callback.#server, "listening");
    return callback;
  }

  get origin() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** The registered redirect URI; only its port differs, as RFC 8252 §7.3 allows. */
  get redirectUri() {
    return `${this.origin}/callback`;
  }

  /** The response that carries `state`. */
  async arrival(state) {
    const came = this.arrivals.find(({ params }) => params.get("state") === state);
    if (came) return came;
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no authorization response came within ${ACTION_TIMEOUT_MS} ms`));
      const timer = setTimeout(late, ACTION_TIMEOUT_MS);
      this.#waiting.set(state, (arrival) => {
        clearTimeout(timer);
        resolve(arrival);
      });
    });
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #receive(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { pathname, searchParams } = new URL(request.url, this.origin);
    const params = request.method === "POST" ? new URLSearchParams(body) : searchParams;
    const dest = request.headers["sec-fetch-dest"];
    const arrival = { method: request.method, pathname, dest, params };
    this.arrivals.push(arrival);
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(await (this.pages.get(pathname) ?? CALLBACK_PAGE));
    this.#waiting.get(params.get("state"))?.(arrival);
  }
}

/** A confidential client of the server at `base`. */
export class Client {
  #base;
  #id;
  #secret;
  #callback;

  constructor({ base, id, secret, callback }) {
    this.#base = base;
    this.#id = id;
    this.#secret = secret;
    this.#callback = callback;
  }

  /** A fresh authorization request: where to send the browser, and what the client keeps. */
  authorization({ scope, ...more }) {
    const state = randomBytes(16).toString("base64url");
    const verifier = randomBytes(32).toString("base64url");
    const url = new URL("/authorize", this.#base);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: this.#id,
      redirect_uri: this.#callback.redirectUri,
      scope,
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...more,
    });
    return { url: url.href, state, verifier };
  }

  /** Redeems a code at the token endpoint. */
  redeem(code, verifier) {
    const redirect_uri = this.#callback.redirectUri;
    return this.#post("/token", { grant_type: "authorization_code", code, redirect_uri, code_verifier: verifier });
  }

  refresh(refresh_token) {
    return this.#post("/token", { grant_type: "refresh_token", refresh_token });
  }

  introspect(token) {
    return this.#post("/introspect", { token });
  }

  /** Calls the API with an access token. */
  me(token) {
    return this.#get("/api/me", token);
  }

  /** Asks who it is that the access token speaks of. */
  userinfo(token) {
    return this.#get("/userinfo", token);
  }

  /** Where to send the browser to sign the person out. */
  logout(parameters) {
    const url = new URL("/logout", this.#base);
    url.search = new URLSearchParams(parameters);
    return url.href;
  }

  /** The issuer as the server's metadata (RFC 8414) states it. */
  async issuer() {
    return (await this.metadata()).issuer;
  }

  /** The server's metadata (RFC 8414, OpenID Connect Discovery). */
  async metadata() {
    const { status, json } = await fetchJson(new URL("/.well-known/oauth-authorization-server", this.#base));
    if (status !== 200) throw new Error(`the metadata answers ${status}`);
    return json;
  }

  #get(path, token) {
    return fetchJson(new URL(path, this.#base), { headers: { authorization: `Bearer ${token}` } });
  }

  #post(path, form) {
    // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
    const [id, secret] = [this.#id, this.#secret].map((part) => new URLSearchParams({ "": part }).toString().slice(1));
    const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
    return fetchJson(new URL(path, this.#base), {
      method: "POST",
      headers: { authorization },
      body: new URLSearchParams(form),
    });
  }
}

/** The claims of an ID token that came from the token endpoint, unverified. */
export function claimsOf(idToken) {
  return JSON.parse(Buffer.from(idToken.split(".")[1], "base64url").toString());
}

async function fetchJson(url, init = {}) {
  const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(ACTION_TIMEOUT_MS), ...init });
  const json = await response.json().catch(() => ({}));
  return { status: response.status, headers: response.headers, json };
}
