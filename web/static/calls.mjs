/* Requests to the API with the login of the page. A failure is a Problem, what the server says, or Lost: no answer came. */
import * as login from "./login.mjs";

export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body?.detail ?? `the server responded with ${status}`);
    this.status = status;
    this.code = body?.code ?? "failed";
    this.retrySeconds = Number(retryAfter) || null;
  }
}

export class Lost extends Error {}

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/* Throws if the answer of a request with this token is none of success. */
export function judge(status, text, retryAfter, token) {
  if (status >= 200 && status < 300) return parsed(text);
  if (status === 401 && token) login.refused(token);
  throw new Problem(status, parsed(text), retryAfter);
}

/* body: an object, sent as JSON. key: of idempotency. Returns the answer's JSON. */
export async function call(method, path, { body, key, headers = {}, keepalive = false } = {}) {
  return (await answer(method, path, { body, key, headers, keepalive })).json;
}

/* The same, with the header Link. */
export async function answer(method, path, { body, key, headers = {}, keepalive = false }) {
  const token = login.token();
  let response, text;
  try {
    response = await fetch(path, {
      method, keepalive, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body),
      headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...(key ? { "Idempotency-Key": key } : {}) },
    });
    text = await response.text();
  } catch {
    throw new Lost("no answer came");
  }
  return { json: judge(response.status, text, response.headers.get("Retry-After"), token), link: response.headers.get("Link") };
}
