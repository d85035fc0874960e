/** What a login's JWT says about itself. Signatures are not checked: OpenAI issued it and OpenAI will judge it. */
import { asBoolean, asList, asRecord, asText, asTimeMs, firstOf, type JsonRecord } from "./json-read.ts";

/** Claims of an id or access token of ChatGPT; null where the token does not say (UPSTREAM F). */
export interface LoginClaims {
  chatgptAccountId: string | null;
  chatgptUserId: string | null;
  /** null also when it merely repeats the account id. */
  workspaceId: string | null;
  workspaceLabel: string | null;
  seatType: string | null;
  email: string | null;
  planType: string | null;
  /** From `exp`, ms since the epoch. */
  expiresAtMs: number | null;
  /** Such an account's requests carry `x-openai-fedramp: true`. */
  isFedramp: boolean;
}

const AUTH_CLAIM = "https://api.openai.com/auth";
const PROFILE_CLAIM = "https://api.openai.com/profile";

/** The payload of a JWT, signed or not; null when `token` is none. Never throws. */
export function decodeJwt(token: string): JsonRecord | null {
  const payload = token.split(".")[1];
  if (payload === undefined || payload === "") return null;
  try {
    return asRecord(JSON.parse(Buffer.from(payload, "base64url").toString("utf8")));
  } catch {
    return null;
  }
}

/** The claims that matter here; every field null when `token` is not a JWT. Never throws. */
export function loginClaims(token: string): LoginClaims {
  const payload = decodeJwt(token);
  const auth = asRecord(payload?.[AUTH_CLAIM]);
  const profile = asRecord(payload?.[PROFILE_CLAIM]);
  const chatgptAccountId = asText(auth?.chatgpt_account_id);
  const workspaceId = asText(firstOf(auth, ["workspace_id", "chatgpt_workspace_id"]));
  return {
    chatgptAccountId,
    chatgptUserId: asText(firstOf(auth, ["chatgpt_user_id", "user_id"])),
    workspaceId: workspaceId === chatgptAccountId ? null : workspaceId,
    workspaceLabel: asText(firstOf(auth, ["workspace_name", "workspace_label"])) ?? organizationTitle(auth),
    seatType: asText(firstOf(auth, ["chatgpt_seat_type", "seat_type"])),
    email: asText(payload?.email) ?? asText(profile?.email),
    planType: asText(auth?.chatgpt_plan_type)?.toLowerCase() ?? null,
    expiresAtMs: asTimeMs(payload?.exp),
    isFedramp: asBoolean(auth?.chatgpt_account_is_fedramp) ?? false,
  };
}

/** The default organization's title, or the only one's. */
function organizationTitle(auth: JsonRecord | null): string | null {
  const organizations = asList(auth?.organizations).map(asRecord);
  const chosen =
    organizations.find((entry) => asBoolean(entry?.is_default)) ??
    (organizations.length === 1 ? organizations[0] : null);
  return asText(chosen?.title);
}
