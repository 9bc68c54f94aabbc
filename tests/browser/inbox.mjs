// A client that names its user, and that user with a phone, in a headless browser at a running example server: what the client
// asks appears in the inbox, the person allows it or refuses, and the client finds out.
//
//   node inbox.mjs --base http://127.0.0.1:8080 --client-secret SECRET --shots shots
//
// Exits 0 when every step passed.

import { parseArgs } from "node:util";

import { Harness, expect, expectEqual, heading, tabTo } from "./harness.mjs";

const RUN_TIMEOUT_MS = 120_000;
const CIBA = "urn:openid:params:grant-type:ciba";
const CLIENT_ID = "demo-bank";
const USERNAME = "alice";
const PASSWORD = "wonderland";
const MESSAGE = "W4SCT";

const options = readOptions();
const harness = await Harness.start(options);
const step = (sentence, work) => harness.step(sentence, work);

await harness.run(run, RUN_TIMEOUT_MS);

async function run() {
  const phone = await (await harness.context()).newPage();
  await signIn(phone);
  await allow(phone);
  await refuse(phone);
}

async function signIn(phone) {
  await step("the inbox asks to sign in first", async () => {
    await phone.goto(`${options.base}/inbox`);
    expectEqual(await heading(phone), "Sign in", "the heading");
    await phone.locator("#username").fill(USERNAME);
    await phone.locator("#password").fill(PASSWORD);
    await phone.keyboard.press("Enter");
    await phone.locator("#inbox").waitFor();
  });
  await step("nothing waits where nobody has asked", async () => {
    await phone.locator("#inbox").click();
    expectEqual(await heading(phone), "Requests", "the heading");
    expect((await phone.locator("main").innerText()).includes("Nothing waits for you"), "the page says so");
    await harness.inspect(phone, "inbox-empty");
  });
}

async function allow(phone) {
  const waiting = await ask(phone);
  await step("allowing it by keyboard empties the inbox", async () => {
    await tabTo(phone, ".inbox-allow");
    await phone.keyboard.press("Enter");
    await phone.getByText("Nothing waits for you").waitFor();
  });
  await step("the client gets its tokens", async () => {
    const { status, told } = await poll(waiting);
    expectEqual(status, 200, "the status");
    expect(typeof told.access_token === "string", "there is an access token");
    const [, payload] = told.id_token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
    expectEqual(claims.sub, USERNAME, "the user");
    expectEqual(claims.aud, CLIENT_ID, "the client");
  });
}

async function refuse(phone) {
  const waiting = await ask(phone);
  await step("denying it tells the client", async () => {
    await phone.locator(".inbox-deny").click();
    await phone.getByText("Nothing waits for you").waitFor();
    const { status, told } = await poll(waiting);
    expectEqual(status, 400, "the status");
    expectEqual(told.error, "access_denied", "the error");
  });
}

/** A client asks, and the request appears in the inbox. */
async function ask(phone) {
  return step("what a client asks appears, with the words that the client shows, too", async () => {
    const asked = await post("/bc-authorize", { scope: "openid profile", login_hint: USERNAME, binding_message: MESSAGE });
    expectEqual(asked.status, 200, "the status");
    const waiting = asked.told.auth_req_id;
    expectEqual((await poll(waiting)).told.error, "authorization_pending", "what the client is told meanwhile");
    await phone.locator("#inbox-again").click();
    await phone.locator(".inbox-allow").waitFor();
    const text = await phone.locator("main").innerText();
    for (const words of ["Demo Bank", MESSAGE]) expect(text.includes(words), `the page says "${words}"`);
    await harness.inspect(phone, "inbox");
    return waiting;
  });
}

/** Asks once whether the user has answered. */
function poll(waiting) {
  return post("/token", { grant_type: CIBA, auth_req_id: waiting });
}

/** Posts a form as the client. */
async function post(path, fields) {
  const secret = Buffer.from(`${CLIENT_ID}:${options.secret}`).toString("base64");
  const answer = await fetch(`${options.base}${path}`, {
    method: "POST",
    headers: { authorization: `Basic ${secret}` },
    body: new URLSearchParams(fields),
  });
  return { status: answer.status, told: await answer.json() };
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      base: { type: "string" },
      "client-secret": { type: "string" },
      shots: { type: "string", default: "shots" },
    },
  });
  if (!values.base || !values["client-secret"]) {
    console.error("usage: node inbox.mjs --base URL --client-secret SECRET [--shots DIR]");
    process.exit(2);
  }
  return { base: new URL(values.base).origin, secret: values["client-secret"], shots: values.shots };
}
