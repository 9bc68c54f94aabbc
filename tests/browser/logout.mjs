// Logout in a headless browser, for a person and two clients at a running example server: the question, the frames in which
// clients are told, and the page by which they see it themselves. Run against a server with the profile oidc_compat:
//
//   node logout.mjs --base http://127.0.0.1:8080 --shots shots
//
// The clients listen where they are registered, on the ports 8090 and 8091. Exits 0 when every step passed.

import { parseArgs } from "node:util";

import { CALLBACK_PAGE as PAGE, Callback, Client, claimsOf } from "./client.mjs";
import { Harness, expect, expectEqual, heading, tabTo } from "./harness.mjs";

const RUN_TIMEOUT_MS = 120_000;
const USERNAME = "alice";
const PASSWORD = "wonderland";
const SCOPE = "openid profile";
const FRAME = "/frontchannel-logout";
const MESSAGE = "/backchannel-logout";

const options = readOptions();
const web = await party("demo-web", "demo-web-secret-not-for-production-0001", 8090);
const first = await party("demo-first-party", "demo-first-party-secret-not-for-production-0004", 8091);
const parties = [web, first];
const harness = await Harness.start(options);
const step = (sentence, work) => harness.step(sentence, work);

await harness.run(run, RUN_TIMEOUT_MS);
parties.forEach(({ callback }) => callback.close());

async function run() {
  const context = await harness.context();
  const page = await context.newPage();
  const metadata = await web.client.metadata();

  await withAnIdToken(page, metadata.issuer);
  await withoutAnIdToken(page);
  await byThePerson(page);
  await whileAFrameLoads(context, page);
  await withoutJavaScript();
  await watchTheSession(context, metadata.check_session_iframe);
}

async function withAnIdToken(page, issuer) {
  const id_token = await step("a person signs in at two clients", async () => {
    await signIn(page, first);
    return signIn(page, web);
  });
  await step("a client with the ID token signs the person out without a question", async () => {
    await logOut(page, web, { id_token_hint: id_token, state: "with-hint" });
  });
  await step("the other client was told before, in a frame, which session ended and by whom", async () => {
    const [told, ...more] = first.came(FRAME);
    expectEqual(more.length, 0, "the number of other frames");
    expectEqual(`${told.method} ${told.dest}`, "GET iframe", "the request");
    expectEqual([...told.params.keys()].join(" "), "iss sid", "the list of parameters");
    expectEqual(told.params.get("iss"), issuer, "iss");
    expectEqual(told.params.get("sid"), claimsOf(id_token).sid, "sid");
  });
  await step("the client that wants to be told by the server was told so too", async () => {
    const [told] = web.came(MESSAGE);
    expectEqual(told.method, "POST", "the method");
    expectEqual([...told.params.keys()].join(" "), "logout_token", "the list of parameters");
    expectEqual(claimsOf(told.params.get("logout_token")).sid, claimsOf(id_token).sid, "sid");
  });
  await step("nobody is signed in any more", async () => {
    const request = web.client.authorization({ scope: SCOPE, prompt: "none" });
    await page.goto(request.url);
    const { params } = await web.callback.arrival(request.state);
    expectEqual(params.get("error"), "login_required", "the error");
  });
}

async function withoutAnIdToken(page) {
  await signIn(page, web);
  const asked = web.client.logout({
    client_id: "demo-web",
    post_logout_redirect_uri: web.signedOut,
    state: "without-hint",
  });

  await step("without an ID token the person is asked, and learns who asks", async () => {
    await page.goto(asked);
    expectEqual(await heading(page), "Sign out?", "the heading");
    const text = await page.locator("main").innerText();
    for (const words of ["Demo Web", USERNAME, "127.0.0.1:8090"]) {
      expect(text.includes(words), `the page says "${words}"`);
    }
    await harness.inspect(page, "logout");
  });
  await step("who declines stays signed in, and no client is told", async () => {
    const before = parties.map(({ callback }) => callback.arrivals.length).join();
    await tabTo(page, "#logout-decline");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    expectEqual(parties.map(({ callback }) => callback.arrivals.length).join(), before, "what came");
  });
  await step("who confirms, by keyboard, goes back to the client", async () => {
    await page.goto(asked);
    await tabTo(page, "#logout-confirm");
    await page.keyboard.press("Enter");
    await arrival(page, web, "without-hint");
  });
  await step("an address that is not registered ends on an error page of the server", async () => {
    const elsewhere = web.client.logout({
      client_id: "demo-web",
      post_logout_redirect_uri: `${web.callback.origin}/elsewhere`,
    });
    const response = await page.goto(elsewhere);
    expectEqual(response.status(), 400, "the status");
    expectEqual(await heading(page), "Authorization error", "the heading");
  });
}

async function byThePerson(page) {
  await signIn(page, web);
  await step("a person signs out at home, after a question", async () => {
    await page.goto(options.base);
    await page.locator("#sign-out").click();
    await page.getByRole("heading", { name: "Sign out?" }).waitFor();
    await harness.inspect(page, "logout-at-home");
    await page.locator("#logout-confirm").click();
    await page.getByRole("heading", { name: "Signed out" }).waitFor();
    await harness.inspect(page, "signed-out");
  });
  await step("the page can be reloaded, and leads back", async () => {
    await page.reload();
    expectEqual(await heading(page), "Signed out", "the heading");
    await page.locator("#home").click();
    await page.getByRole("heading", { name: "Welcome" }).waitFor();
  });
}

async function whileAFrameLoads(context, page) {
  const id_token = await signIn(page, first);
  await step("the page that goes on says where to, and has a link", async () => {
    const stay = (route) => route.fulfill({ status: 204 });
    await page.route(`${first.signedOut}?*`, stay);
    await page.goto(logoutUrl(first, { id_token_hint: id_token, state: "shown" }));
    expectEqual(await heading(page), "Signed out", "the heading");
    expect((await page.locator("main").innerText()).includes("127.0.0.1:8091"), "the page names the client");
    await harness.inspect(page, "signed-out-going-on");
    await page.unroute(`${first.signedOut}?*`, stay);
    await page.locator("#continue").click();
    await arrival(page, first, "shown");
  });

  const other = await context.newPage();
  const again = await signIn(other, first);
  await step("a frame that does not answer holds nobody up", async () => {
    const answer = hold(FRAME);
    await other.goto(logoutUrl(first, { id_token_hint: again, state: "hurried" }), { waitUntil: "commit" });
    await arrival(other, first, "hurried");
    answer();
  });
  await other.close();
}

/** Has the client with a frame answer at this path only when the returned function is called. */
function hold(path) {
  let answer;
  first.callback.pages.set(path, new Promise((resolve) => (answer = resolve)));
  return () => {
    answer(PAGE);
    first.callback.pages.delete(path);
  };
}

async function withoutJavaScript() {
  const context = await harness.context({ javaScriptEnabled: false });
  const page = await context.newPage();
  const id_token = await signIn(page, first);
  await step("without JavaScript the page waits for a press of Continue", async () => {
    await page.goto(logoutUrl(first, { id_token_hint: id_token, state: "pressed" }));
    await harness.shootStill(page, "signed-out-without-javascript");
    await page.locator("#continue").click();
    await arrival(page, first, "pressed");
  });
  await context.close();
}

async function watchTheSession(context, iframe) {
  const page = await context.newPage();
  const { id_token, session_state } = await signInForAll(page, web);
  const watching = await step("the page of a client watches the session in a frame", async () => {
    expect(iframe, "the metadata name the frame");
    for (const { callback } of parties) {
      callback.pages.set("/watch", `<!doctype html><title>Watch</title><link rel="icon" href="data:,">
        <iframe id="op" src="${iframe}" hidden></iframe>`);
    }
    await page.goto(`${web.callback.origin}/watch`);
    return (message) => ask(page, message, new URL(iframe).origin);
  });
  await step("while nothing happens it is told `unchanged`", async () => {
    for (let times = 0; times < 2; times += 1) {
      expectEqual(await watching(`demo-web ${session_state}`), "unchanged", "the answer");
    }
  });
  await step("what makes no sense is an `error`, and the state of another client has `changed`", async () => {
    for (const message of ["", "demo-web", `demo-web${session_state}`, `demo-web ${session_state}x`, { a: 1 }]) {
      expectEqual(await watching(message), "error", `the answer to ${JSON.stringify(message)}`);
    }
    expectEqual(await watching(`demo-spa ${session_state}`), "changed", "the answer");
  });
  const other = await context.newPage();
  await step("the same state at another origin has `changed`", async () => {
    await other.goto(`${first.callback.origin}/watch`);
    expectEqual(await ask(other, `demo-web ${session_state}`, new URL(iframe).origin), "changed", "the answer");
  });
  await step("after a logout in another tab it is told `changed`", async () => {
    await logOut(other, web, { id_token_hint: id_token, state: "watched" });
    expectEqual(await watching(`demo-web ${session_state}`), "changed", "the answer");
  });
  await step("the state that comes with login_required is `unchanged`, so that nobody asks for ever", async () => {
    const request = web.client.authorization({ scope: SCOPE, prompt: "none" });
    await other.goto(request.url);
    const { params } = await web.callback.arrival(request.state);
    expectEqual(params.get("error"), "login_required", "the error");
    expectEqual(await watching(`demo-web ${params.get("session_state")}`), "unchanged", "the answer");
  });
  await other.close();
}

/** What the frame of the server answers to a message of the page. */
function ask(page, message, origin) {
  const exchange = async ([message, origin]) => {
    const answer = new Promise((resolve) => {
      addEventListener("message", (event) => event.origin === origin && resolve(event.data), { once: true });
    });
    document.getElementById("op").contentWindow.postMessage(message, origin);
    return answer;
  };
  return page.evaluate(exchange, [message, origin]);
}

/** Has the client sign the person in, who types and allows what is needed; returns the ID token. */
async function signIn(page, party) {
  return (await signInForAll(page, party)).id_token;
}

/** The same, with the `session_state` of the answer. */
async function signInForAll(page, { client, callback }) {
  const request = client.authorization({ scope: SCOPE });
  await page.goto(request.url);
  const back = page.getByRole("heading", { name: "Back at the application" });
  if (await page.locator("#password").isVisible()) {
    await page.locator("#username").fill(USERNAME);
    await page.locator("#password").fill(PASSWORD);
    await page.locator("#login-submit").click();
  }
  const allow = page.locator("#consent-allow");
  await allow.or(back).first().waitFor();
  if (await allow.isVisible()) await allow.click();
  await back.waitFor();
  const { params } = await callback.arrival(request.state);
  const { status, json } = await client.redeem(params.get("code"), request.verifier);
  expectEqual(status, 200, "the token status");
  return { id_token: json.id_token, session_state: params.get("session_state") };
}

function logoutUrl({ client, signedOut }, parameters) {
  return client.logout({ post_logout_redirect_uri: signedOut, ...parameters });
}

/** Has the client sign the person out, and waits until the browser is back. */
async function logOut(page, party, parameters) {
  parties.forEach(({ callback }) => (callback.arrivals = []));
  await page.goto(logoutUrl(party, parameters), { waitUntil: "commit" });
  await arrival(page, party, parameters.state);
}

async function arrival(page, party, state) {
  const { pathname, params } = await party.callback.arrival(state);
  expectEqual(pathname, "/signed-out", "the path");
  expectEqual([...params.keys()].join(" "), "state", "the list of parameters");
  await page.getByRole("heading", { name: "Back at the application" }).waitFor();
}

/** A client where it is registered. */
async function party(id, secret, port) {
  const callback = await Callback.listen(port);
  const client = new Client({ base: options.base, id, secret, callback });
  const came = (path) => callback.arrivals.filter(({ pathname }) => pathname === path);
  return { client, callback, came, signedOut: `${callback.origin}/signed-out` };
}

function readOptions() {
  const { values } = parseArgs({ options: { base: { type: "string" }, shots: { type: "string", default: "shots" } } });
  if (!values.base) {
    console.error("usage: node logout.mjs --base URL [--shots DIR]");
    process.exit(2);
  }
  return { base: new URL(values.base).origin, shots: values.shots };
}
