// A television and a person with a phone, in headless browsers at a running example server: the television shows a code and a
// QR code, the person signs in, enters the code and lets the television in, or keeps it out.
//
//   node device.mjs --base http://127.0.0.1:8080 --shots shots
//
// Exits 0 when every step passed.

import { parseArgs } from "node:util";

import { Harness, expect, expectEqual, heading, tabTo } from "./harness.mjs";

const RUN_TIMEOUT_MS = 120_000;
const POLL_TIMEOUT_MS = 15_000;
const USERNAME = "alice";
const PASSWORD = "wonderland";

const options = readOptions();
const harness = await Harness.start(options);
const step = (sentence, work) => harness.step(sentence, work);

await harness.run(run, RUN_TIMEOUT_MS);

async function run() {
  const tv = await (await harness.context()).newPage();
  const phone = await (await harness.context()).newPage();

  const code = await switchOn(tv);
  await letIn(tv, phone, code);
  await keepOut(tv, phone);
}

async function switchOn(tv) {
  await step("a television that is off offers to sign in", async () => {
    await tv.goto(`${options.base}/tv`);
    await harness.inspect(tv, "tv-off");
  });
  return step("it shows where to go, a code, and both as a QR code", async () => {
    const code = await signInOnTv(tv);
    expectEqual(await tv.locator("#tv-verification-uri").innerText(), `${options.base}/device`, "where to go");
    expect(await tv.getByRole("img", { name: "QR code" }).isVisible(), "there is a QR code");
    await harness.inspect(tv, "tv-waiting");
    return code;
  });
}

async function letIn(tv, phone, code) {
  await step("the page for the code asks to sign in first", async () => {
    await phone.goto(`${options.base}/device`);
    expectEqual(await heading(phone), "Sign in", "the heading");
    await harness.inspect(phone, "device-login");
    await phone.locator("#username").fill(USERNAME);
    await phone.locator("#password").fill(PASSWORD);
    await phone.keyboard.press("Enter");
    await phone.locator("#user-code").waitFor();
    await harness.inspect(phone, "device");
  });
  await step("a wrong code is refused, and the alert has the focus", async () => {
    await phone.locator("#user-code").fill("BCDF-GHJK");
    await phone.locator("#device-submit").click();
    const alert = phone.getByRole("alert");
    await alert.waitFor();
    expect(await alert.evaluate((element) => element === document.activeElement), "the alert has the focus");
    await harness.inspect(phone, "device-wrong-code");
  });
  await step("the right one, in small letters and without a dash, leads to the question", async () => {
    await phone.locator("#user-code").fill(code.replace("-", "").toLowerCase());
    await phone.keyboard.press("Enter");
    await phone.locator("#consent-allow").waitFor();
    const text = await phone.locator("main").innerText();
    for (const words of [code, "Demo Television", USERNAME, "Does your device show this code?"]) {
      expect(text.includes(words), `the page says "${words}"`);
    }
    expect(!text.includes("Takes you to"), "it does not lead anywhere else");
    await harness.inspect(phone, "device-consent");
  });
  await step("allowing it by keyboard sends the person back to the television", async () => {
    await tabTo(phone, "#consent-allow");
    await phone.keyboard.press("Enter");
    await phone.locator("#device-approved").waitFor();
    await harness.inspect(phone, "device-approved");
  });
  await step("the television finds out by itself", async () => {
    await tv.getByText("Hello Alice!").waitFor({ timeout: POLL_TIMEOUT_MS });
    await harness.inspect(tv, "tv-signed-in");
  });
}

async function keepOut(tv, phone) {
  await step("by the link in the QR code the code is filled in, and the question is asked all the same", async () => {
    await tv.goto(`${options.base}/tv`);
    const code = await signInOnTv(tv);
    await phone.goto(`${options.base}/device?user_code=${code}`);
    expectEqual(await phone.locator("#user-code").inputValue(), code, "the field");
    await harness.inspect(phone, "device-filled-in");
    await phone.locator("#device-submit").click();
    await phone.locator("#consent-deny").waitFor();
  });
  await step("denying keeps the television out", async () => {
    await tabTo(phone, "#consent-deny");
    await phone.keyboard.press("Enter");
    await phone.locator("#device-denied").waitFor();
    await harness.inspect(phone, "device-denied");
    await tv.getByText("You denied access.").waitFor({ timeout: POLL_TIMEOUT_MS });
  });
}

async function signInOnTv(tv) {
  await tv.locator("#tv-sign-in").click();
  return tv.locator("#tv-user-code").innerText();
}

function readOptions() {
  const { values } = parseArgs({ options: { base: { type: "string" }, shots: { type: "string", default: "shots" } } });
  if (!values.base) {
    console.error("usage: node device.mjs --base URL [--shots DIR]");
    process.exit(2);
  }
  return { base: new URL(values.base).origin, shots: values.shots };
}
