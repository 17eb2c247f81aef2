// A certified OpenID provider as an outside issuer: node provider.mjs '{"port", "resource", "consoleUrl", …}'.
// Anybody may sign in under any name; the groups of the known ones stand in their tokens.
import { interactionPolicy, Provider } from "oidc-provider";

const { port, resource, consoleUrl, groups, tokenSeconds, programs } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPES = "openid profile email offline_access";

const policy = interactionPolicy.base();
policy.get("consent").checks.remove("native_client_prompt"); // or it asks again at each sign-in

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "waybill",
      application_type: "native", // its addresses are on this machine
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token", DEVICE],
      redirect_uris: [`${consoleUrl}signed-in`, "http://localhost/"],
      post_logout_redirect_uris: [consoleUrl],
    },
    ...Object.entries(programs).map(([client_id, client_secret]) => ({
      client_id,
      client_secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
  ],
  scopes: SCOPES.split(" "),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  clientBasedCORS: () => true,
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, preferred_username: id }) }),
  claims: { profile: ["preferred_username"] },
  conformIdTokenClaims: false,
  extraTokenClaims: async (ctx, token) =>
    token.accountId ? { preferred_username: token.accountId, groups: groups[token.accountId] ?? [] } : undefined,
  loadExistingGrant: async (ctx) => {
    const { client, session, provider } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    if (known) return provider.Grant.find(known);
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(SCOPES);
    grant.addResourceScope(resource, "api");
    await grant.save();
    return grant;
  },
  interactions: { policy },
  cookies: { keys: ["of no secret"] },
  ttl: { RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600, IdToken: 600 },
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, indicator) => ({
        scope: "api",
        audience: indicator,
        accessTokenTTL: tokenSeconds,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});

provider.listen(port, "127.0.0.1", () => console.log("ready"));
