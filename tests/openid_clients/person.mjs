// The person between a client and the server: signs in, allows everything and signs out, by plain forms and without scripts.
//
//   node person.mjs URL COOKIES
//
// prints where the server sends the browser in the end. COOKIES is a file that keeps them for the next time.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const USERNAME = "alice";
const PASSWORD = "wonderland";
const MAX_PAGES = 10;

/** Answers every page of the server until it leads to somewhere else, or back to a device; returns that address. */
export async function visit(start, cookies) {
  const { origin } = new URL(start);
  let [url, form] = [new URL(start), undefined];
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const response = await fetch(url, {
      method: form ? "POST" : "GET",
      body: form,
      headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") },
      redirect: "manual",
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    const location = response.headers.get("location");
    if (location) {
      [url, form] = [new URL(location, url), undefined];
      if (url.origin !== origin) return url;
    } else {
      if (!response.ok) throw new Error(`${url} answers ${response.status}`);
      const html = await response.text();
      if (html.includes('id="device-approved"')) return url;
      [url, form] = answer(html, url);
    }
  }
  throw new Error(`the server shows more than ${MAX_PAGES} pages`);
}

/** What the person does with the page: sign in, enter a code, allow what is asked, or sign out. */
function answer(html, url) {
  if (html.includes('id="password"')) {
    const form = fields(html, ["interaction", "csrf", "then", "user_code"]);
    form.append("username", USERNAME);
    form.append("password", PASSWORD);
    return [new URL("/login", url), form];
  }
  if (html.includes('id="device-submit"')) {
    const form = fields(html, ["csrf"]);
    form.append("user_code", html.match(/id="user-code"[^>]* value="([^"]*)"/)[1]);
    return [new URL("/device", url), form];
  }
  if (html.includes('id="consent-allow"')) {
    const form = fields(html, ["interaction", "csrf", "scope"]);
    form.append("decision", "approve");
    return [new URL("/consent", url), form];
  }
  if (html.includes('id="logout-confirm"')) {
    return [new URL("/logout", url), fields(html, ["client_id", "post_logout_redirect_uri", "state", "csrf"])];
  }
  throw new Error(`${url} shows an unexpected page`);
}

/** The fields of these names that the page's main form, its last one with any, sends along. */
function fields(html, names) {
  const form = new URLSearchParams();
  const main = html.split("<form").findLast((part) => part.includes('name="csrf"'));
  for (const [, name, value] of main.matchAll(/name="([^"]+)" value="([^"]*)"/g)) {
    if (names.includes(name)) form.append(name, value);
  }
  return form;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, file] = process.argv.slice(2);
  const cookies = new Map(existsSync(file) ? JSON.parse(readFileSync(file)) : []);
  console.log((await visit(url, cookies)).href);
  writeFileSync(file, JSON.stringify([...cookies]));
}
