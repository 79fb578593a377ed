import * as client from "openid-client";
import { ask, refusal, report } from "./person.mjs";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env;
const config = await client.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  undefined,
  CLIENT_SECRET ? client.ClientSecretBasic(CLIENT_SECRET) : client.None(),
  { algorithm: "oauth2", execute: [client.allowInsecureRequests] },
);

async function codeFlow(authorizationUrl) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const url = await authorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: "read",
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
  });
  const back = new URL(await ask({ open: url.href }));
  const forged = new URL(back);
  forged.searchParams.set("iss", "https://evil.example");
  const stripped = new URL(back);
  stripped.searchParams.delete("iss");
  const checks = { pkceCodeVerifier, expectedState };
  return {
    asked: [...url.searchParams.keys()].sort(),
    forged: await refusal(client.authorizationCodeGrant(config, forged, checks)),
    stripped: await refusal(client.authorizationCodeGrant(config, stripped, checks)),
    tokens: await client.authorizationCodeGrant(config, back, checks),
  };
}

async function deviceFlow() {
  const codes = await client.initiateDeviceAuthorization(config, { scope: "read" });
  await ask({ type: codes.user_code, at: codes.verification_uri });
  return client.pollDeviceAuthorizationGrant(config, codes);
}

const refresh = (token) => client.refreshTokenGrant(config, token);
const { forged, stripped, asked, tokens } = await codeFlow(client.buildAuthorizationUrl);
const second = await refresh(tokens.refresh_token);
const again = await refresh(tokens.refresh_token);
const third = await refresh(second.refresh_token);
await client.tokenRevocation(config, third.refresh_token);

const pushed = await codeFlow(client.buildAuthorizationUrlWithPAR);
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
