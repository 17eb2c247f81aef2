/**
 * Signing in at the issuer of tokens (OpenID Connect, authorization code with PKCE), or with a password where the
 * service takes one.
 *
 * The session is in localStorage, so that every tab has it; a tab that renews, ends or begins it tells the others by
 * changing it there. A session that ends leaves its screens as they are until the same person has signed in again.
 */
import type { OidcClient, RefreshState, SigninResponse } from "oidc-client-ts";
import { useSyncExternalStore } from "react";
import { Problem, UNREACHABLE } from "../api/problem";
import type { AuthConfig } from "../api/types";
import { forgetForms } from "../common/useKept";

export interface Session {
  user: string;
  /** The `sub` of the person's tokens. */
  subject: string;
  accessToken: string;
  refreshToken?: string;
  idToken?: string;
  expiresAt: number;
  /** The provider has no session of its own, which signing out would end. */
  byPassword?: boolean;
}

interface State {
  /** The session; null when nobody is signed in. */
  session: Session | null;
  /** Why it has ended. */
  ended: string | null;
}

/** The user has a temporary password and has to choose a new one. */
export class NewPasswordRequired extends Error {
  constructor(
    readonly user: string,
    readonly challenge: string,
  ) {
    super("A new password is required");
  }
}

export const API = new URL("../v1/", document.baseURI).href;
const CONSOLE = new URL(".", document.baseURI).href;
const STORED = "waybill.session";
const ENDED = "waybill.ended";
const SIGNED_OUT = "You have signed out.";
const EXPIRED = "Your session has expired, or was ended by an administrator.";
const EARLY_MS = 60_000; // a token is renewed this long before it expires

let state: State = { session: stored(), ended: localStorage.getItem(ENDED) };
let renewing: Promise<string> | undefined;
const listeners = new Set<() => void>();
const waiting = new Set<{ resolve: (token: string) => void; reject: (problem: Problem) => void }>();

function stored(): Session | null {
  const session = JSON.parse(localStorage.getItem(STORED) ?? "null") as Session | null;
  return session?.subject ? session : null;
}

function setState(next: State): void {
  const before = state.session;
  state = next;
  if (before && before.subject !== next.session?.subject) {
    forgetForms(sessionStorage);
    setTimeout(() => forgetForms(sessionStorage)); // screens keep what they have when they are left
  }
  if (next.session && !next.ended) {
    for (const { resolve, reject } of waiting) {
      if (before?.subject === next.session.subject) resolve(next.session.accessToken);
      else reject(NOBODY); // somebody else's screens begin anew
    }
    waiting.clear();
  } else if (!next.session) {
    waiting.forEach(({ reject }) => reject(NOBODY));
    waiting.clear();
  }
  listeners.forEach((listener) => listener());
}

const NOBODY = new Problem(401, "Nobody is signed in", "The session has ended.");

function begin(session: Session): void {
  localStorage.setItem(STORED, JSON.stringify(session));
  localStorage.removeItem(ENDED);
  setState({ session, ended: null });
  loadOidc().catch(() => undefined);
}

/** The session has ended, which its person did not ask for: the screens stay. */
function end(reason: string): void {
  if (!state.session || state.ended) return;
  localStorage.setItem(ENDED, reason);
  localStorage.removeItem(STORED);
  setState({ session: state.session, ended: reason });
}

window.addEventListener("storage", ({ key }) => {
  if (key !== STORED && key !== ENDED && key !== null) return;
  const session = stored();
  const reason = localStorage.getItem(ENDED) ?? EXPIRED;
  if (session) setState({ session, ended: null });
  else if (reason === SIGNED_OUT) setState({ session: null, ended: reason });
  else if (state.session && !state.ended) setState({ session: state.session, ended: reason });
});

/** Had early: an upgrade removes the script from the server, and a page that stays open renews its session later. */
const loadOidc = () => import("oidc-client-ts");
if (state.ended === SIGNED_OUT) forgetForms(sessionStorage); // in another tab, while this one was not loaded
if (state.session) loadOidc().catch(() => undefined);

export function useSession(): State {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** A token that is valid for at least a minute. When the session has ended it comes once the person has signed in. */
export function accessToken(): Promise<string> {
  if (!state.session) return Promise.reject(NOBODY);
  if (state.ended) return new Promise((resolve, reject) => waiting.add({ resolve, reject }));
  if (isFresh(state.session)) return Promise.resolve(state.session.accessToken);
  return renew(null);
}

/** Another token in place of one that the API has refused. */
export function replacement(refused: string): Promise<string> {
  if (!state.session || state.ended || state.session.accessToken !== refused) return accessToken();
  return renew(refused);
}

/** The API refuses even a new token. */
export function refused(token: string, reason: string): void {
  if (state.session?.accessToken === token) end(`The service does not accept your sign-in any more: ${reason}`);
}

const isFresh = (session: Session) => session.expiresAt - Date.now() > EARLY_MS;

function renew(refused: string | null): Promise<string> {
  // One tab at a time: a provider takes the second use of a refresh token for a theft, and ends the session.
  renewing ??= (async () => {
    try {
      return await navigator.locks.request("waybill.renew", () => renewAlone(refused));
    } finally {
      renewing = undefined;
    }
  })();
  return renewing.then((token) => token || accessToken());
}

/** The new token; "" when the session has ended. */
async function renewAlone(refused: string | null): Promise<string> {
  const session = stored();
  if (session && session.subject !== state.session?.subject) {
    setState({ session, ended: null }); // somebody else has signed in: this request was not theirs
    throw NOBODY;
  }
  if (session && isFresh(session) && session.accessToken !== refused) {
    setState({ session, ended: null }); // another tab has renewed it
    return session.accessToken;
  }
  if (!session?.refreshToken) {
    end(EXPIRED);
    return "";
  }
  const { ErrorResponse } = await loadOidc();
  const profile = { sub: session.subject } as SigninResponse["profile"];
  const old: RefreshState = { refresh_token: session.refreshToken, profile, session_state: null };
  try {
    const issuer = await oidc();
    const answer = await issuer.useRefreshToken({ state: old });
    const renewed = { ...session, ...tokensOf(answer, session) };
    if (stored()) begin(renewed); // unless the person has signed out meanwhile
    return renewed.accessToken;
  } catch (error) {
    if (!(error instanceof ErrorResponse)) throw UNREACHABLE;
    end(EXPIRED);
    return "";
  }
}

function tokensOf(answer: SigninResponse, old?: Session) {
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? old?.refreshToken,
    idToken: answer.id_token ?? old?.idToken,
    expiresAt: (answer.expires_at ?? 0) * 1000,
  };
}

// At the provider

/** Leaves for the provider's page. It returns to `signed-in`, which goes on to the address here; null: a window that
 * closes itself. */
export async function goToProvider(returnTo: string | null): Promise<void> {
  const request = await (await oidc()).createSigninRequest({ state: { returnTo } });
  location.assign(request.url);
}

/** Ends a sign-in that returned from the provider; where to go on, null to close the window. */
export async function returnFromProvider(): Promise<string | null> {
  const { ErrorResponse } = await loadOidc();
  const client = await oidc();
  const { endpoint } = await authConfig();
  const answer = await client.processSigninResponse(location.href).catch((error: unknown) => {
    if (error instanceof ErrorResponse) {
      throw new Problem(
        401,
        "You are not signed in",
        error.error_description ?? error.error ?? "The provider refused.",
      );
    }
    if (error instanceof TypeError) throw UNREACHABLE;
    throw new Problem(401, "You are not signed in", "This sign-in was begun in another browser, or too long ago.");
  });
  const { profile } = answer;
  const names = [profile["cognito:username"], profile.preferred_username, profile.email, profile.sub];
  const session = {
    user: names.find((name): name is string => typeof name === "string" && name !== "")!,
    subject: profile.sub,
    ...tokensOf(answer),
  };
  if (endpoint) session.refreshToken = undefined; // the embedded AWS would renew the token without the groups
  const returnTo = (answer.userState as { returnTo: string | null } | undefined)?.returnTo;
  if (returnTo) history.replaceState(null, "", returnTo);
  begin(session);
  return returnTo === null ? null : (returnTo ?? CONSOLE);
}

/** Ends the session here and at the provider. */
export async function signOut(): Promise<void> {
  const old = stored();
  localStorage.setItem(ENDED, SIGNED_OUT);
  localStorage.removeItem(STORED);
  setState({ session: null, ended: SIGNED_OUT });
  if (!old) return;
  try {
    const client = await oidc();
    if (old.refreshToken) await client.revokeToken(old.refreshToken, "refresh_token").catch(() => undefined);
    if (old.byPassword) return;
    const { clientId } = await authConfig();
    const request = await client.createSignoutRequest({
      id_token_hint: old.idToken,
      post_logout_redirect_uri: CONSOLE,
      extraQueryParams: { client_id: clientId, logout_uri: CONSOLE }, // these are Cognito's
    });
    location.assign(request.url);
  } catch {
    // a provider without these endpoints, or one that does not answer: the session here has ended all the same
  }
}

let client: Promise<OidcClient> | undefined;

function oidc(): Promise<OidcClient> {
  client ??= makeClient().catch((error: unknown) => {
    client = undefined;
    throw error;
  });
  return client;
}

async function makeClient(): Promise<OidcClient> {
  const [{ OidcClient, WebStorageStateStore }, config] = await Promise.all([loadOidc(), authConfig()]);
  const made = new OidcClient({
    authority: config.issuer,
    metadataUrl: config.metadataUrl,
    client_id: config.clientId,
    scope: config.scope,
    resource: config.resource ?? undefined,
    extraTokenParams: config.resource ? { resource: config.resource } : {},
    redirect_uri: `${CONSOLE}signed-in`,
    requestTimeoutInSeconds: 20,
    // Another window may end what this one has begun.
    stateStore: new WebStorageStateStore({ store: localStorage, prefix: "waybill.sign-in." }),
  });
  await made.metadataService.getMetadata().catch(() => {
    throw UNREACHABLE;
  });
  return made;
}

let config: Promise<AuthConfig> | undefined;

/** Where and how to sign in. */
export function authConfig(): Promise<AuthConfig> {
  config ??= fetchConfig().catch((error: unknown) => {
    config = undefined;
    throw error;
  });
  return config;
}

async function fetchConfig(): Promise<AuthConfig> {
  const answer = await fetch(`${API}auth-config`).catch(() => {
    throw UNREACHABLE;
  });
  if (!answer.ok) throw await Problem.from(answer);
  return (await answer.json()) as AuthConfig;
}

// With a password

export async function signIn(user: string, password: string): Promise<void> {
  const answer = await callPool("InitiateAuth", {
    AuthFlow: "USER_PASSWORD_AUTH",
    AuthParameters: { USERNAME: user, PASSWORD: password },
  });
  finish(user, answer);
}

export async function chooseNewPassword(required: NewPasswordRequired, password: string): Promise<void> {
  const answer = await callPool("RespondToAuthChallenge", {
    ChallengeName: "NEW_PASSWORD_REQUIRED",
    Session: required.challenge,
    ChallengeResponses: { USERNAME: required.user, NEW_PASSWORD: password },
  });
  finish(required.user, answer);
}

interface PoolAnswer {
  ChallengeName?: string;
  Session?: string;
  AuthenticationResult?: { AccessToken: string; RefreshToken?: string; ExpiresIn: number };
}

function finish(user: string, answer: PoolAnswer): void {
  if (answer.ChallengeName === "NEW_PASSWORD_REQUIRED") throw new NewPasswordRequired(user, answer.Session ?? "");
  const result = answer.AuthenticationResult;
  if (!result) {
    throw new Problem(401, "A password is not enough", "Continue to the sign-in page, which asks for the rest.");
  }
  const expiresAt = Date.now() + result.ExpiresIn * 1000;
  const { AccessToken: accessToken, RefreshToken: refreshToken } = result;
  begin({ user, subject: subjectOf(accessToken), accessToken, refreshToken, expiresAt, byPassword: true });
}

function subjectOf(token: string): string {
  const payload = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
  return (JSON.parse(atob(payload)) as { sub: string }).sub;
}

async function callPool(action: string, body: object): Promise<PoolAnswer> {
  const { clientId, endpoint, issuer, passwordSignIn } = await authConfig();
  if (!passwordSignIn) throw new Problem(401, "Sign in elsewhere", `Users of this service sign in at ${issuer}.`);
  const url = new URL("/", endpoint ?? issuer).href; // a pool's issuer is {host}/{pool}
  const answer = await fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.1",
      "X-Amz-Target": `AWSCognitoIdentityProviderService.${action}`,
    },
    body: JSON.stringify({ ClientId: clientId, ...body }),
  }).catch(() => {
    throw UNREACHABLE;
  });
  const found = (await answer.json().catch(() => ({}))) as PoolAnswer & { message?: string };
  if (answer.ok) return found;
  throw new Problem(
    answer.status,
    "You are not signed in",
    found.message ?? `The user pool answered ${answer.status}.`,
  );
}
