// What every browser test here stands on: named steps, a browser that tells on every page, and a look at a page
// (axe in both colour schemes, screenshots wide and narrow). Knows nothing of OAuth.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import axe from "axe-core";
import { chromium } from "playwright-core";

export const ACTION_TIMEOUT_MS = 10_000;

const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 320, height: 640 };
const FAILING_IMPACTS = ["serious", "critical"];

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Harness {
  /** Steps passed. */
  passed = 0;
  /** Responses that loaded a page of the server under test. */
  documents = [];

  #browser;
  #base;
  #shots;
  #pages = [];
  #complaints = [];
  #documentUrls = new Set();

  /** Starts the browser. `base` is the origin under test, `shots` the folder for screenshots. */
  static async start({ base, shots }) {
    const harness = new Harness();
    mkdirSync(shots, { recursive: true });
    rmSync(join(shots, "failure.png"), { force: true });
    harness.#base = base;
    harness.#shots = shots;
    harness.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM_ARGS,
      timeout: 3 * ACTION_TIMEOUT_MS,
    });
    return harness;
  }

  /** Runs all steps, says how many passed, and closes the browser. The process fails if a step does, or if time is up. */
  async run(steps, timeoutMs) {
    const deadline = setTimeout(() => {
      console.log(`not ok - the run ends within ${timeoutMs / 1000} seconds`);
      console.log(`${this.passed} passed, 1 failed`);
      process.exit(1);
    }, timeoutMs);
    let failed = 0;
    try {
      await steps();
    } catch (error) {
      failed = 1;
      const shot = await this.shootFailure();
      console.log(`not ok - ${error.message}`);
      if (shot) console.log(`# screenshot: ${shot}`);
    } finally {
      clearTimeout(deadline);
      await this.stop();
    }
    console.log(`${this.passed} passed, ${failed} failed`);
    process.exitCode = failed;
  }

  /** A browser of its own, with its own cookies. */
  async context(options = {}) {
    const context = await this.#browser.newContext({ viewport: WIDE, colorScheme: "light", ...options });
    context.setDefaultTimeout(ACTION_TIMEOUT_MS);
    context.on("page", (page) => this.#watch(page));
    return context;
  }

  /** Runs one step. It fails when `work` throws, and when a page has complained meanwhile. */
  async step(sentence, work) {
    try {
      const result = await work();
      expect(this.#complaints.length === 0, "the browser console stays empty");
      this.passed += 1;
      console.log(`ok - ${sentence}`);
      return result;
    } catch (error) {
      throw new StepFailed(sentence, error, this.#complaints);
    }
  }

  /** Screenshots the page in both widths and schemes: axe must find nothing serious, nothing may overflow. */
  async inspect(page, name) {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const viewport of [NARROW, WIDE]) {
        await page.setViewportSize(viewport);
        await this.#shoot(page, `${name}-${viewport.width}-${colorScheme}`);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(overflow <= 0, `the page fits ${viewport.width} px without sideways scrolling`);
      }
      await this.#axe(page, `${name}, ${colorScheme}`);
    }
    await page.emulateMedia({ colorScheme: "light" });
  }

  /** Screenshots a page whose scripts cannot run. */
  async shootStill(page, name) {
    for (const viewport of [NARROW, WIDE]) {
      await page.setViewportSize(viewport);
      await this.#shoot(page, `${name}-${viewport.width}`);
    }
  }

  /** Screenshots the page used last; returns the file's name, or nothing when no page is open. */
  async shootFailure() {
    const page = this.#pages.filter((page) => !page.isClosed()).at(-1);
    return page && this.#shoot(page, "failure").catch(() => undefined);
  }

  async stop() {
    await this.#browser.close();
  }

  #watch(page) {
    this.#pages.push(page);
    page.on("request", (request) => {
      if (request.isNavigationRequest()) this.#documentUrls.add(request.url());
    });
    page.on("response", (response) => {
      const { origin, pathname } = new URL(response.url());
      const isPage = response.request().isNavigationRequest() && !isRedirect(response.status());
      if (origin === this.#base && isPage) {
        this.documents.push({ pathname, headers: response.headers() });
      }
    });
    page.on("pageerror", (error) => this.#complaints.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      const { url } = message.location();
      // Chromium logs an error for each page with a 4xx status; the steps look at the status themselves.
      const isStatus = message.text().startsWith("Failed to load resource") && this.#documentUrls.has(url);
      if (["error", "warning"].includes(message.type()) && !isStatus) {
        this.#complaints.push(`${page.url()}: ${message.text().trim()}`);
      }
    });
  }

  async #shoot(page, name) {
    const path = join(this.#shots, `${name}.png`);
    await page.screenshot({ path, fullPage: true, timeout: ACTION_TIMEOUT_MS });
    return path;
  }

  async #axe(page, where) {
    await page.evaluate(axe.source);
    const violations = await page.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document, { preload: false });
      return violations.map(({ id, impact, help, nodes }) => {
        return { id, impact, help, html: nodes.map((node) => node.html) };
      });
    });
    for (const { id, impact, help, html } of violations) {
      console.log(`# axe (${where}): ${impact} ${id}: ${help}\n#   ${html.join("\n#   ")}`);
    }
    const failing = violations.filter(({ impact }) => FAILING_IMPACTS.includes(impact));
    expect(failing.length === 0, `axe finds nothing serious on the page (${where})`);
  }
}

export class StepFailed extends Error {
  constructor(sentence, cause, complaints) {
    const [reason] = cause.message.split("\n");
    super([`${sentence}: ${reason}`, ...complaints].join("\n  "), { cause });
  }
}

/** Throws unless `condition` holds; `sentence` says what should be so. */
export function expect(condition, sentence) {
  if (!condition) throw new Error(`expected that ${sentence}`);
}

/** Throws unless both are equal, and shows both. */
export function expectEqual(actual, expected, what) {
  expect(actual === expected, `${what} is ${JSON.stringify(expected)}, not ${JSON.stringify(actual)}`);
}

/** Presses Tab until the element has the focus, as somebody without a mouse does. */
export async function tabTo(page, selector) {
  const hasFocus = () => page.evaluate((selector) => document.activeElement?.matches(selector), selector);
  for (let presses = 0; presses < 30; presses += 1) {
    if (await hasFocus()) return;
    await page.keyboard.press("Tab");
  }
  expect(false, `Tab reaches ${selector}`);
}

/** The text of the page's heading, once there is one. */
export async function heading(page) {
  return (await page.locator("h1").innerText()).trim();
}

function isRedirect(status) {
  return status >= 300 && status < 400;
}
