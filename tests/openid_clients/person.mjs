// The person between a client and the server: signs in and allows everything, by plain forms and without scripts.
//
//   node person.mjs AUTHORIZATION_URL
//
// prints where the server sends the browser in the end.

import { pathToFileURL } from "node:url";

const USERNAME = "alice";
const PASSWORD = "wonderland";
const MAX_PAGES = 10;

/** Answers every page of the server until it leads to somewhere else; returns that address. */
export async function authorize(start) {
  const { origin } = new URL(start);
  const cookies = new Map();
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
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    if (location) {
      [url, form] = [new URL(location, url), undefined];
      if (url.origin !== origin) return url;
    } else {
      if (!response.ok) throw new Error(`${url} answers ${response.status}`);
      [url, form] = answer(await response.text(), url);
    }
  }
  throw new Error(`the server shows more than ${MAX_PAGES} pages`);
}

/** What the person does with the page: sign in, or allow what is asked. */
function answer(html, url) {
  if (html.includes('id="password"')) {
    const form = fields(html, ["interaction", "csrf"]);
    form.append("username", USERNAME);
    form.append("password", PASSWORD);
    return [new URL("/login", url), form];
  }
  if (html.includes('id="consent-allow"')) {
    const form = fields(html, ["interaction", "csrf", "scope"]);
    form.append("decision", "approve");
    return [new URL("/consent", url), form];
  }
  throw new Error(`${url} shows an unexpected page`);
}

/** The fields of these names that the page's main form, its last one with any, sends along. */
function fields(html, names) {
  const form = new URLSearchParams();
  const main = html.split("<form").findLast((part) => part.includes('name="interaction"'));
  for (const [, name, value] of main.matchAll(/name="([^"]+)" value="([^"]*)"/g)) {
    if (names.includes(name)) form.append(name, value);
  }
  return form;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log((await authorize(process.argv[2])).href);
}
