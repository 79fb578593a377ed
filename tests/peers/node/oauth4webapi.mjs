import * as oauth from "oauth4webapi";
import { ask, refusal, report } from "./person.mjs";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env;
const plain = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(ISSUER);
const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...plain });
const as = await oauth.processDiscoveryResponse(issuer, found);
const client = { client_id: CLIENT_ID };
const auth = CLIENT_SECRET ? oauth.ClientSecretBasic(CLIENT_SECRET) : oauth.None();

async function parameters(verifier, state) {
  return new URLSearchParams({
    response_type: "code",
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    scope: "read",
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
}

async function direct(wanted) {
  return wanted;
}

async function push(wanted) {
  const answer = await oauth.pushedAuthorizationRequest(as, client, auth, wanted, plain);
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, answer);
  return new URLSearchParams({ client_id: CLIENT_ID, request_uri });
}

async function codeFlow(sent) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const query = await sent(await parameters(verifier, state));
  const back = new URL(await ask({ open: `${as.authorization_endpoint}?${query}` }));
  const forged = new URL(back);
  forged.searchParams.set("iss", "https://evil.example");
  const stripped = new URL(back);
  stripped.searchParams.delete("iss");
  const validated = async (url) => oauth.validateAuthResponse(as, client, url, state);
  const answer = await oauth.authorizationCodeGrantRequest(
    as, client, auth, await validated(back), REDIRECT_URI, verifier, plain,
  );
  return {
    asked: [...query.keys()].sort(),
    forged: await refusal(validated(forged)),
    stripped: await refusal(validated(stripped)),
    tokens: await oauth.processAuthorizationCodeResponse(as, client, answer),
  };
}

async function deviceFlow() {
  const asked = await oauth.deviceAuthorizationRequest(as, client, auth, { scope: "read" }, plain);
  const codes = await oauth.processDeviceAuthorizationResponse(as, client, asked);
  await ask({ type: codes.user_code, at: codes.verification_uri });
  const answer = await oauth.deviceCodeGrantRequest(as, client, auth, codes.device_code, plain);
  return oauth.processDeviceCodeResponse(as, client, answer);
}

async function refresh(token) {
  const answer = await oauth.refreshTokenGrantRequest(as, client, auth, token, plain);
  return oauth.processRefreshTokenResponse(as, client, answer);
}

async function revoke(token) {
  const answer = await oauth.revocationRequest(as, client, auth, token, plain);
  await oauth.processRevocationResponse(answer);
}

const { forged, stripped, asked, tokens } = await codeFlow(direct);
const second = await refresh(tokens.refresh_token);
const again = await refresh(tokens.refresh_token);
const third = await refresh(second.refresh_token);
const headers = { authorization: `Bearer ${third.access_token}` };
const bearer = new Request("https://notes.example.com/", { headers });
await oauth.validateJwtAccessToken(as, bearer, ISSUER, plain);
await revoke(third.refresh_token);

const pushed = await codeFlow(push);
const device = await deviceFlow();

report({
  asked,
  forged,
  stripped,
  chain: [tokens, second, again, third].map((each) => each.refresh_token),
  ended: await refusal(refresh(third.refresh_token)),
  pushed: { asked: pushed.asked, scope: pushed.tokens.scope },
  device: { scope: device.scope, refreshed: (await refresh(device.refresh_token)).scope },
});
