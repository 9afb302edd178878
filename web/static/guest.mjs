/* Guests: a session without an account, where the server has them. */
import { call } from "./calls.mjs";
import * as login from "./login.mjs";

/* Begins one. Fails with code "guests_off" where there are none. */
export async function beginGuest() {
  const { access_token: token, id, username, expires_in: seconds } = await call("POST", "/api/auth/guest");
  login.take(token, id, username, Date.now() + seconds * 1000);
}
