/** Signing in to the user pool. The session is in memory, and in sessionStorage so that it survives a page reload. */
import { useSyncExternalStore } from "react";
import { Problem, UNREACHABLE } from "../api/problem";

export interface Session {
  user: string;
  accessToken: string;
  refreshToken: string;
  expiresAt: number;
}

interface AuthConfig {
  issuer: string;
  clientId: string;
  endpoint: string | null;
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
const STORED = "waybill.session";
const EARLY_MS = 60_000; // a token is refreshed this long before it expires
let session = JSON.parse(sessionStorage.getItem(STORED) ?? "null") as Session | null;
let config: Promise<AuthConfig> | undefined;
let refreshing: Promise<Session> | undefined;
const listeners = new Set<() => void>();

function setSession(next: Session | null): void {
  session = next;
  if (next) sessionStorage.setItem(STORED, JSON.stringify(next));
  else sessionStorage.removeItem(STORED);
  listeners.forEach((listener) => listener());
}

/** The session, or null when nobody is signed in. */
export function useSession(): Session | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );
}

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

export function signOut(): void {
  const token = session?.refreshToken;
  setSession(null);
  if (token) void callPool("RevokeToken", { Token: token }).catch(() => undefined);
}

/** A token that is valid for at least a minute. */
export async function accessToken(): Promise<string> {
  if (!session) throw new Problem(401, "Nobody is signed in", "The session has ended.");
  if (session.expiresAt - Date.now() > EARLY_MS) return session.accessToken;
  refreshing ??= refresh(session).finally(() => (refreshing = undefined));
  return (await refreshing).accessToken;
}

async function refresh(old: Session): Promise<Session> {
  try {
    const answer = await callPool("InitiateAuth", {
      AuthFlow: "REFRESH_TOKEN_AUTH",
      AuthParameters: { REFRESH_TOKEN: old.refreshToken },
    });
    const fresh = toSession(old.user, answer, old.refreshToken);
    if (session === old) setSession(fresh); // unless the user has signed out
    return fresh;
  } catch (error) {
    const problem = Problem.of(error);
    if (!problem.isPassing && session === old) setSession(null);
    throw problem;
  }
}

interface PoolAnswer {
  ChallengeName?: string;
  Session?: string;
  AuthenticationResult?: { AccessToken: string; RefreshToken?: string; ExpiresIn: number };
}

function finish(user: string, answer: PoolAnswer): void {
  if (answer.ChallengeName === "NEW_PASSWORD_REQUIRED") throw new NewPasswordRequired(user, answer.Session ?? "");
  if (!answer.AuthenticationResult) {
    throw new Problem(401, "This account cannot sign in here", `The user pool asks for ${answer.ChallengeName}.`);
  }
  setSession(toSession(user, answer));
}

function toSession(user: string, answer: PoolAnswer, refreshToken = ""): Session {
  const result = answer.AuthenticationResult!;
  return {
    user,
    accessToken: result.AccessToken,
    refreshToken: result.RefreshToken ?? refreshToken,
    expiresAt: Date.now() + result.ExpiresIn * 1000,
  };
}

async function callPool(action: string, body: object): Promise<PoolAnswer> {
  config ??= fetchConfig().catch((error: unknown) => {
    config = undefined;
    throw error;
  });
  const { clientId, endpoint, issuer } = await config;
  if (!endpoint && !issuer.startsWith("https://cognito-idp.")) {
    throw new Problem(401, "Sign in elsewhere", `Users of this service sign in at ${issuer}.`); // no password leaves
  }
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

async function fetchConfig(): Promise<AuthConfig> {
  const answer = await fetch(`${API}auth-config`).catch(() => {
    throw UNREACHABLE;
  });
  if (!answer.ok) throw await Problem.from(answer);
  return (await answer.json()) as AuthConfig;
}
