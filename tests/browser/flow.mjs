// A person's whole way through a running example server, in a headless browser: sign in, allow a part, look at who has
// access, take it back, deny, sign out; and what must not work. Run against a server whose user is alice/wonderland:
//
//   node flow.mjs --base http://127.0.0.1:8080 --shots shots --client-id demo-web --client-secret SECRET
//
// CHROMIUM names the browser (default /usr/bin/chromium). Exits 0 when every step passed.

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";

import { Callback, Client, claimsOf } from "./client.mjs";
import { ACTION_TIMEOUT_MS, Harness, expect, expectEqual, heading, tabTo } from "./harness.mjs";

const RUN_TIMEOUT_MS = 180_000;
const USERNAME = "alice";
const PASSWORD = "wonderland";
const SCOPE = "profile api:read";
const OPENID_SCOPE = "openid profile email";
const SCOPE_ALLOWED = "api:read";
const SCOPE_UNTICKED = "profile";
const WORDS_ALLOWED = "Read your data in the demo API";
const WORDS_UNTICKED = "See your name and profile";
const WORDS_OPENID = "Know who you are";

const options = readOptions();
const callback = await Callback.listen();
const harness = await Harness.start(options).catch((error) => {
  callback.close();
  throw error;
});
const client = new Client({ ...options, callback });
const step = (sentence, work) => harness.step(sentence, work);

await harness.run(run, RUN_TIMEOUT_MS);
callback.close();

async function run() {
  const issuer = await step("the metadata names an issuer", async () => {
    const issuer = await client.issuer();
    expect(issuer, "the issuer is not empty");
    return issuer;
  });
  const context = await harness.context();
  const page = await context.newPage();

  await welcome(page);
  const access = await signInAndAllowAPart(page, issuer);
  await revokeAtHome(page, access);
  await deny(page, issuer);
  await unregisteredRedirectUri(page);
  await twoTabs(context);
  await formPost(page, issuer);
  await signInAgainAsOneself(page, issuer);
  await signOut(page);
  await withoutJavaScript();
  await pageHeaders();
}

async function welcome(page) {
  await step("a signed-out visitor finds the way to sign in", async () => {
    await page.goto(options.base);
    expect(await page.locator("#sign-in").isVisible(), "the home page links to the sign-in");
    await harness.inspect(page, "welcome");
  });
}

async function signInAndAllowAPart(page, issuer) {
  const request = client.authorization({ scope: SCOPE });

  await step("an authorization request shows the sign-in page", async () => {
    const response = await page.goto(request.url);
    expectEqual(response.status(), 200, "the status");
    expectEqual(await heading(page), "Sign in", "the heading");
    await harness.inspect(page, "login");
  });

  await step("a wrong password is refused, and the alert has the focus", async () => {
    await typeCredentials(page, USERNAME, "looking-glass");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await alert.evaluate((element) => element === document.activeElement), "the alert has the focus");
    const password = page.locator("#password");
    expectEqual(await password.getAttribute("aria-describedby"), "problem", "what describes the field");
    expectEqual(await password.inputValue(), "", "the password field");
    await harness.inspect(page, "login-wrong-password");
  });

  await step("the right password, typed without a mouse, leads to the consent page", async () => {
    await typeCredentials(page, USERNAME, PASSWORD);
    await page.locator("#consent-allow").waitFor();
    const text = await page.locator("main").innerText();
    for (const words of [WORDS_ALLOWED, WORDS_UNTICKED, USERNAME, new URL(callback.origin).host]) {
      expect(text.includes(words), `the consent page says "${words}"`);
    }
    await harness.inspect(page, "consent");
  });

  const submission = page.waitForRequest((sent) => sent.method() === "POST" && sent.url().endsWith("/consent"));
  const { params } = await step("unticking one scope and allowing the rest by keyboard returns a code", async () => {
    await tabTo(page, `input[name="scope"][value="${SCOPE_UNTICKED}"]`);
    await page.keyboard.press("Space");
    await tabTo(page, "#consent-allow");
    await page.keyboard.press("Enter");
    return arrivalBy(page, request);
  });
  await step("the response carries code, state and iss, and nothing else", async () => {
    expectEqual([...params.keys()].sort().join(" "), "code iss state", "the list of parameters");
    expectEqual(params.get("iss"), issuer, "iss");
  });

  await submitAgain(page, await submission);

  const tokens = await step("the code is redeemed, for the allowed scope only", async () => {
    const { status, headers, json } = await client.redeem(params.get("code"), request.verifier);
    expectEqual(status, 200, "the status");
    expectEqual(json.token_type?.toLowerCase(), "bearer", "the token type");
    expectEqual(json.scope, SCOPE_ALLOWED, "the scope");
    expect(headers.get("cache-control")?.includes("no-store"), "the token response is not stored");
    return json;
  });
  await step("the access token opens the API", async () => {
    const { status, json } = await client.me(tokens.access_token);
    expectEqual(status, 200, "the status");
    expect(Object.keys(json).length > 0, "the API answers with JSON");
  });
  return tokens;
}

/** `submission` is the consent form as the browser sent it. */
async function submitAgain(page, submission) {
  const before = callback.arrivals.length;

  await step("going back after the end and answering again shows an error, not a second code", async () => {
    await page.goBack();
    const allow = page.locator("#consent-allow");
    await page.locator("h1").waitFor();
    if (await allow.isVisible()) await allow.click();
    await page.getByRole("heading", { name: "Authorization error" }).waitFor();
    await harness.inspect(page, "answered-twice");
  });
  await step("the same answer sent once more is refused", async () => {
    const response = await page.request.post(submission.url(), {
      data: submission.postData(),
      headers: { "content-type": "application/x-www-form-urlencoded", origin: new URL(options.base).origin },
      maxRedirects: 0,
      timeout: ACTION_TIMEOUT_MS,
    });
    expect(response.status() >= 400 && response.status() < 500, `the status is 4xx, not ${response.status()}`);
    expectEqual(callback.arrivals.length, before, "the number of responses at the application");
  });
}

async function revokeAtHome(page, tokens) {
  const revoke = revokeForm(page);

  await step("the home page lists the application with what was allowed", async () => {
    await page.goto(options.base);
    await revoke.waitFor();
    const text = await page.locator(".application").filter({ has: revoke }).innerText();
    expect(text.includes(WORDS_ALLOWED), `the row says "${WORDS_ALLOWED}"`);
    expect(!text.includes(WORDS_UNTICKED), `the row does not say "${WORDS_UNTICKED}"`);
    await harness.inspect(page, "home");
  });
  await step("removing its access takes it off the list", async () => {
    await removeAccess(page);
    expectEqual(await heading(page), "Your account", "the heading");
    await harness.inspect(page, "home-after-removal");
  });
  await step("its access token is dead", async () => {
    const api = await client.me(tokens.access_token);
    if (api.status === 401) return;
    const { status, json } = await client.introspect(tokens.access_token);
    expectEqual(status, 200, "the introspection status");
    expectEqual(json.active, false, "active");
  });
  if (!tokens.refresh_token) return;
  await step("its refresh token is dead", async () => {
    const { status, json } = await client.refresh(tokens.refresh_token);
    expectEqual(status, 400, "the status");
    expectEqual(json.error, "invalid_grant", "the error");
  });
}

async function deny(page, issuer) {
  await step("denying returns access_denied with state and iss, and no code", async () => {
    const request = client.authorization({ scope: SCOPE });
    await page.goto(request.url);
    await tabTo(page, "#consent-deny");
    await page.keyboard.press("Enter");
    const { params } = await arrivalBy(page, request);
    expectEqual(params.get("error"), "access_denied", "the error");
    expectEqual(params.get("iss"), issuer, "iss");
    expect(!params.has("code"), "there is no code");
  });
}

async function unregisteredRedirectUri(page) {
  await step("an unregistered redirect URI ends on an error page of the server", async () => {
    const before = callback.arrivals.length;
    const elsewhere = `${callback.origin}/elsewhere`;
    const response = await page.goto(client.authorization({ scope: SCOPE, redirect_uri: elsewhere }).url);
    expectEqual(response.status(), 400, "the status");
    expectEqual(new URL(page.url()).pathname, "/authorize", "the path");
    expectEqual(await heading(page), "Authorization error", "the heading");
    const foreign = await page.locator(`a[href*="://"]:not([href^="${options.base}/"])`).count();
    expectEqual(foreign, 0, "the number of links to elsewhere");
    expectEqual(callback.arrivals.length, before, "the number of responses at the application");
    await harness.inspect(page, "error");
  });
}

async function twoTabs(context) {
  await step("two authorizations in two tabs both complete", async () => {
    const requests = [client.authorization({ scope: SCOPE }), client.authorization({ scope: SCOPE })];
    const tabs = [];
    for (const { url } of requests) {
      const tab = await context.newPage();
      await tab.goto(url);
      await tab.locator("#consent-allow").waitFor();
      tabs.push(tab);
    }
    for (const [index, request] of requests.entries()) {
      await tabs[index].locator("#consent-allow").click();
      const { params } = await arrivalBy(tabs[index], request);
      const { status } = await client.redeem(params.get("code"), request.verifier);
      expectEqual(status, 200, `the token status of tab ${index + 1}`);
      await tabs[index].close();
    }
  });
}

async function formPost(page, issuer) {
  await step("response_mode=form_post delivers the response by POST", async () => {
    const request = client.authorization({ scope: SCOPE, response_mode: "form_post" });
    await page.goto(request.url, { waitUntil: "commit" });
    const { method, params } = await arrivalAllowing(page, request);
    expectEqual(method, "POST", "the method");
    expectEqual(params.get("iss"), issuer, "iss");
    const { status } = await client.redeem(params.get("code"), request.verifier);
    expectEqual(status, 200, "the token status");
  });
}

async function signInAgainAsOneself(page, issuer) {
  const nonce = randomBytes(16).toString("base64url");
  const request = client.authorization({ scope: OPENID_SCOPE, nonce, prompt: "select_account" });

  await step("prompt=select_account shows who is signed in, and another way", async () => {
    await page.goto(request.url);
    expectEqual(await heading(page), "Sign in", "the heading");
    expectEqual(await page.locator("#account-continue").innerText(), "Continue as Alice", "the first choice");
    expectEqual(await page.locator("#account-other").innerText(), "Use another account", "the other choice");
    await harness.inspect(page, "account");
  });
  await step("the other choice leads to the sign-in page, and back again", async () => {
    await tabTo(page, "#account-other");
    await page.keyboard.press("Enter");
    await page.locator("#password").waitFor();
    await page.goBack();
    await page.locator("#account-continue").waitFor();
  });
  await step("going on by keyboard leads to the consent page, which asks for the identity as a whole", async () => {
    await tabTo(page, "#account-continue");
    await page.keyboard.press("Enter");
    await page.locator("#consent-allow").waitFor();
    const text = await page.locator("main").innerText();
    for (const words of [WORDS_OPENID, USERNAME]) expect(text.includes(words), `the page says "${words}"`);
    await harness.inspect(page, "consent-openid");
  });
  const tokens = await step("the ID token names issuer, user and nonce", async () => {
    const arrival = arrivalBy(page, request);
    await page.locator("#consent-allow").click();
    const { params } = await arrival;
    const { status, json } = await client.redeem(params.get("code"), request.verifier);
    expectEqual(status, 200, "the token status");
    const claims = claimsOf(json.id_token);
    expectEqual(claims.iss, issuer, "iss");
    expectEqual(claims.sub, USERNAME, "sub");
    expectEqual(claims.nonce, nonce, "nonce");
    return json;
  });
  await step("UserInfo tells what was allowed", async () => {
    const { status, json } = await client.userinfo(tokens.access_token);
    expectEqual(status, 200, "the status");
    expectEqual(json.sub, USERNAME, "sub");
    expectEqual(json.given_name, "Alice", "the given name");
    expectEqual(json.email, "alice@example.test", "the email address");
    expect(!("phone_number" in json), "it does not tell what nobody asked for");
  });
  await step("prompt=create says that accounts are not made here, and leads back", async () => {
    const request = client.authorization({ scope: OPENID_SCOPE, prompt: "create" });
    await page.goto(request.url);
    expect((await page.locator("main").innerText()).includes("Accounts cannot be made here"), "the page says so");
    await harness.inspect(page, "login-create");
    await page.locator("#login-back").click();
    const { params } = await arrivalBy(page, request);
    expectEqual(params.get("error"), "access_denied", "the error");
  });
}

async function signOut(page) {
  await step("signing out ends the session", async () => {
    await page.goto(options.base);
    await removeAccess(page);
    await page.locator("#sign-out").click();
    await tabTo(page, "#logout-confirm");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Signed out" }).waitFor();
  });
  await step("the home page no longer knows the visitor", async () => {
    await page.goto(options.base);
    expectEqual(await heading(page), "Welcome", "the heading");
    expect(!(await page.locator("main").innerText()).includes(USERNAME), "the page does not name the user");
  });
}

async function withoutJavaScript() {
  const context = await harness.context({ javaScriptEnabled: false });
  const page = await context.newPage();
  const request = client.authorization({ scope: SCOPE, response_mode: "form_post" });

  await step("without JavaScript, signing in works", async () => {
    await page.goto(request.url);
    await harness.shootStill(page, "login-without-javascript");
    await page.locator("#username").fill(USERNAME);
    await page.locator("#password").fill(PASSWORD);
    await page.locator("#login-submit").click();
    await page.locator("#consent-allow").waitFor();
    await harness.shootStill(page, "consent-without-javascript");
  });
  await step("without JavaScript, form_post waits for a press of Continue", async () => {
    await page.locator("#consent-allow").click();
    await page.locator("#form-post-continue").waitFor();
    await harness.shootStill(page, "form-post-without-javascript");
    await page.locator("#form-post-continue").click();
    const { method, params } = await arrivalBy(page, request);
    expectEqual(method, "POST", "the method");
    expect(params.has("code"), "there is a code");
  });
  await step("without JavaScript, access can be taken back", async () => {
    await page.goto(options.base);
    await removeAccess(page);
  });
  await context.close();
}

async function pageHeaders() {
  await step("every page forbids framing, storing, referrers and foreign content", async () => {
    expect(harness.documents.length > 0, "pages were seen");
    for (const { pathname, headers } of harness.documents) {
      const policy = headers["content-security-policy"] ?? "";
      for (const directive of ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]) {
        expect(policy.includes(directive), `the policy of ${pathname} has ${directive}`);
      }
      expect(!policy.includes("unsafe-"), `the policy of ${pathname} allows nothing unsafe`);
      expectEqual(headers["x-frame-options"], "DENY", `X-Frame-Options of ${pathname}`);
      expectEqual(headers["x-content-type-options"], "nosniff", `X-Content-Type-Options of ${pathname}`);
      expectEqual(headers["referrer-policy"], "no-referrer", `Referrer-Policy of ${pathname}`);
      expect(headers["cache-control"]?.includes("no-store"), `${pathname} is not stored`);
    }
  });
}

/** Fills the sign-in form with the keyboard alone and sends it. */
async function typeCredentials(page, username, password) {
  await tabTo(page, "#username");
  await page.keyboard.press("Control+A");
  await page.keyboard.type(username);
  await tabTo(page, "#password");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
}

/** The response to `request`, once `page` has brought it and shows the application again. */
async function arrivalBy(page, request) {
  const arrival = await callback.arrival(request.state);
  await page.getByRole("heading", { name: "Back at the application" }).waitFor();
  return arrival;
}

/** The same, allowing what the server asks, and content when it remembers. */
async function arrivalAllowing(page, request) {
  const arrival = arrivalBy(page, request);
  const allow = page.locator("#consent-allow");
  const asked = allow.waitFor().then(() => true, () => false);
  if ((await Promise.race([arrival, asked])) === true) await allow.click();
  return arrival;
}

/** The form on the home page that takes the application's access back. */
function revokeForm(page) {
  const client = page.locator(`input[name="client_id"][value="${options.id}"]`);
  return page.locator('form[action="/revoke-access"]').filter({ has: client });
}

async function removeAccess(page) {
  const revoke = revokeForm(page);
  await revoke.getByRole("button").click();
  await revoke.waitFor({ state: "detached" });
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      base: { type: "string" },
      shots: { type: "string", default: "shots" },
      "client-id": { type: "string", default: "demo-web" },
      "client-secret": { type: "string" },
    },
  });
  if (!values.base || !values["client-secret"]) {
    console.error("usage: node flow.mjs --base URL --client-secret SECRET [--client-id ID] [--shots DIR]");
    process.exit(2);
  }
  const base = new URL(values.base).origin;
  return { base, shots: values.shots, id: values["client-id"], secret: values["client-secret"] };
}
